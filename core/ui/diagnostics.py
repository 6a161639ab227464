"""Diagnostics: one JSON file for a bug report, and the settings in force. Pure.

Holds numbers, versions and switches; no token, no folder, no case id, no name of a file.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from core.resources.doctor import describe, describe_history
from core.resources.reading import Reading
from core.resources.runs import PreviousRun
from core.settings import Settings

_PACKAGES = ("streamlit", "huggingface_hub", "nibabel", "numpy", "scipy", "pyarrow", "psutil")


def settings_in_force(settings: Settings) -> dict[str, str]:
    """Variable -> value for the screen; the token is only said to be there or not."""
    return {
        "STROKESCOPE_SOURCE": settings.source,
        "STROKESCOPE_CACHE_DIR": str(settings.cache_dir),
        "STROKESCOPE_STATE_DIR": str(settings.state_dir),
        **_harmless(settings),
    }


def diagnostics(
    settings: Settings, history: Sequence[Reading], previous: PreviousRun | None, *, supervised: bool
) -> dict[str, Any]:
    """Everything that a bug report needs. The source is named only when it is on the Hub or the sample."""
    return {
        "doctor": describe(history[-1], previous) if history else None,
        "supervised": supervised,
        "settings": {"source": _public_source(settings.source), **_harmless(settings)},
        "versions": {"python": platform.python_version(), **_versions()},
        "history": describe_history(history),
    }


def _harmless(settings: Settings) -> Mapping[str, str]:
    return {
        "STROKESCOPE_MEMORY_LIMIT": _or_none(settings.memory_limit),
        "STROKESCOPE_DISK_LIMIT": _or_none(settings.disk_limit),
        "MEMORY": _or_none(settings.container_memory),
        "ACCELERATOR": settings.accelerator or "not set",
        "SPACE_ID": settings.space_id or "not on a Space",
        "HF_ENDPOINT": _without_password(settings.hf_endpoint),
        "HF_HUB_OFFLINE": "yes" if settings.hf_hub_offline else "no",
        "HF_TOKEN": "set (hidden)" if settings.hf_token and settings.hf_token.get_secret_value() else "not set",
    }


def _public_source(source: str) -> str:
    return "local folder" if source.startswith("local:") else source


def _without_password(endpoint: str) -> str:
    """Scheme, host and port only: an address may carry a password or a key."""
    try:
        parts = urlsplit(endpoint)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "not an address"
    return f"{parts.scheme}://{host}{f':{port}' if port else ''}" if host else "not an address"


def _or_none(count: int | None) -> str:
    return "not set" if count is None else f"{count} bytes"


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found
