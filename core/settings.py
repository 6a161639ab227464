"""Settings: what the environment says, read once, frozen.

`load_settings()` reads; importing does nothing. Sizes are bytes. Does not create folders and does not probe anything.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import BadSettings

PINNED_REPO = "hugging-science/isles24-stroke"
PINNED_REVISION = "9707a7fca6d3dd1a690de010ec4aed06bdcd0417"
DEFAULT_SOURCE = f"hub:{PINNED_REPO}"
DEFAULT_ENDPOINT = "https://huggingface.co"

MOST_HEAVY = 8  # of heavy steps at once
LEAST_KEY = 12  # characters of a passphrase; who guesses is slowed down, not stopped
LEAST_RAM = 1 << 26  # bytes; this app does not start in less, so that a smaller number means something else
_SIZE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?B?)\s*$", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes of "16G", "500M", "15Gi" or "1024"; K, M, G and T are powers of 1024, as the kernel and Spaces count.

    Raises:
        BadSettings: the text is not a size, or is zero.
    """
    match = _SIZE.match(text)
    value = float(match[1]) * 1024.0 ** " KMGT".index(match[2].upper() or " ") if match else 0.0
    if value < 1:
        raise BadSettings(f"{text!r} is not a size", hint="write it like 16G or 500M")
    return int(value)


def _size(value: object) -> object:
    if isinstance(value, str):
        try:
            return parse_size(value) if value.strip() else None
        except BadSettings as error:
            raise ValueError(error.sentence()) from None
    return value


def _platform_size(value: object) -> object:
    """A size that the platform set, not a person: what is none, or could be nobody's RAM, is no limit and no error."""
    try:
        size = parse_size(value) if isinstance(value, str) else value
    except BadSettings:
        return None
    return size if isinstance(size, int) and size >= LEAST_RAM else None


def _key(value: object) -> object:
    if isinstance(value, str) and 0 < len(value.strip()) < LEAST_KEY:
        raise ValueError(f"a key has {LEAST_KEY} characters or more")
    return (value.strip() or None) if isinstance(value, str) else value


def _folder(value: object) -> object:
    return value if not isinstance(value, str) else Path(value.strip()).expanduser() if value.strip() else None


def _on(value: object) -> object:
    return value if not isinstance(value, str) or value.strip() else True


def _off(value: object) -> object:
    return value if not isinstance(value, str) or value.strip() else False


def _one(value: object) -> object:
    return value if not isinstance(value, str) or value.strip() else 1


Switch = Annotated[bool, BeforeValidator(_on)]  # on unless it is said otherwise
Size = Annotated[int | None, BeforeValidator(_size)]
PlatformSize = Annotated[int | None, BeforeValidator(_platform_size)]


class Settings(BaseSettings):
    """Everything the environment decides. Attribute names are the variables' names without STROKESCOPE_.

    Attributes:
        source: default source of cases, `hub:OWNER/NAME[@REVISION]`, `local:DIR` or `sample`.
        cache_dir: files that can be fetched or made again.
        state_dir: records that should outlive a run.
        models: models that the engine "network" offers by name, separated by commas: `hub:OWNER/NAME[@REVISION]` or a
            folder.
        persist_dir: a folder that outlives the container, e.g. a mounted bucket, for a copy of the flight record.
        health_port: where the supervisor answers /health and /metrics: "PORT", "HOST:PORT" or "off"; by default the
            port after the app's, on this computer alone.
        publish_key: a passphrase that the Publish page asks for; without one the page is not shown on a Space.
        metrics: whether the app itself answers /metrics; numbers only.
        memory_limit, disk_limit: bytes; a person's own limit, beside what the container says.
        heavy_jobs: heavy steps (engines, scores) that may run at once.
        cgroup_root: where the kernel shows control groups.
        hf_endpoint, hf_token, hf_hub_offline: the Hub's own variables.
        container_memory: bytes of the Space's `MEMORY` variable.
        accelerator: the Space's hardware name, for its disk tier.
        space_id: owner/name when running on a Space.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    source: str = Field(DEFAULT_SOURCE, validation_alias="STROKESCOPE_SOURCE")
    cache_dir: Path = Field(Path("~/.cache/strokescope"), validation_alias="STROKESCOPE_CACHE_DIR")
    state_dir: Path = Field(Path("~/.local/state/strokescope"), validation_alias="STROKESCOPE_STATE_DIR")
    persist_dir: Annotated[Path | None, BeforeValidator(_folder)] = Field(
        None, validation_alias="STROKESCOPE_PERSIST_DIR"
    )
    health_port: str = Field("", validation_alias="STROKESCOPE_HEALTH_PORT")
    publish_key: Annotated[SecretStr | None, BeforeValidator(_key)] = Field(
        None, validation_alias="STROKESCOPE_PUBLISH_KEY"
    )
    metrics: Switch = Field(True, validation_alias="STROKESCOPE_METRICS")
    models: str = Field("", validation_alias="STROKESCOPE_MODELS")
    memory_limit: Size = Field(None, validation_alias="STROKESCOPE_MEMORY_LIMIT")
    disk_limit: Size = Field(None, validation_alias="STROKESCOPE_DISK_LIMIT")
    heavy_jobs: Annotated[int, BeforeValidator(_one)] = Field(
        1, ge=1, le=MOST_HEAVY, validation_alias="STROKESCOPE_HEAVY_JOBS"
    )
    cgroup_root: Path = Field(Path("/sys/fs/cgroup"), validation_alias="STROKESCOPE_CGROUP_ROOT")
    hf_endpoint: str = Field(DEFAULT_ENDPOINT, validation_alias="HF_ENDPOINT")
    hf_token: SecretStr | None = Field(None, validation_alias="HF_TOKEN")
    hf_hub_offline: Annotated[bool, BeforeValidator(_off)] = Field(False, validation_alias="HF_HUB_OFFLINE")
    container_memory: PlatformSize = Field(None, validation_alias="MEMORY")
    accelerator: str = Field("", validation_alias="ACCELERATOR")
    space_id: str = Field("", validation_alias="SPACE_ID")


def load_settings() -> Settings:
    """Read the environment.

    Raises:
        BadSettings: a variable cannot be understood; names it.
    """
    try:
        loaded = Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = first["loc"][0] if first["loc"] else "a setting"
        raise BadSettings(f"{name} is not valid: {first['msg']}", hint="correct or unset the variable") from None
    return loaded.model_copy(
        update={"cache_dir": loaded.cache_dir.expanduser(), "state_dir": loaded.state_dir.expanduser()}
    )
