"""Wish: what a person asked to be published, checked, and the commands that do it.

Reads folders' names and rights; makes, starts and sends nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from core.errors import BadPlan, BadSettings, BadSource, BadTree
from core.hub.client import check_repo
from core.publish.licences import licence_of
from core.publish.schema import SCHEMAS
from core.settings import parse_size

LABELS = {"isles24": "ISLES'24", "arc": "ARC", "bids": "Any BIDS tree"}
FOLDERS = "publish"  # below the state folder: staging folders, unless a person names another
_SPOKEN = re.compile(r"[\w .+/-]{0,60}")
_ALL = "all"


@dataclass(frozen=True)
class Wish:
    """What is to be published, and how.

    Attributes:
        source, staging: absolute folders.
        repo: owner/name.
        part: the folder is a part of the schema's dataset, so that its numbers may be smaller.
        licence: to publish under; "" for the source's.
        limit, bandwidth: sizes as a person writes them, of a shard and for each second; "" for the usual.
        public: make the repository, if there is none, for everybody to see; otherwise for its owner alone.
        replace: send shards in place of others of the same names.
        read_back: shards that the verification fetches and compares: "" for none, a number, or "all".
        despite: codes of errors that a person overrode.
    """

    source: str
    schema: str
    repo: str
    staging: str
    rolling: bool = False
    part: bool = False
    licence: str = ""
    limit: str = ""
    bandwidth: str = ""
    public: bool = False
    replace: bool = False
    read_back: str = ""
    despite: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Under which this app keeps what belongs to it: one for each staging folder."""
        return hashlib.sha256(self.staging.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    @property
    def title(self) -> str:
        """ "owner/name · ARC"."""
        return f"{self.repo} · {LABELS.get(self.schema, self.schema)}"

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)


def wish_in(told: Mapping[str, Any] | None) -> Wish | None:
    """A wish as a file tells it; None for what is none."""
    names = {field.name for field in fields(Wish)}
    try:
        found = Wish(**{name: value for name, value in (told or {}).items() if name in names})
        texts = (found.source, found.schema, found.repo, found.staging, found.licence, found.limit, found.bandwidth)
        is_one = all(isinstance(text, str) for text in (*texts, found.read_back)) and found.schema in SCHEMAS
        despite = tuple(str(code) for code in found.despite)
    except TypeError:
        return None
    return Wish(**{**asdict(found), "despite": despite}) if is_one else None


def default_staging(state_dir: Path, repo: str) -> Path:
    """Where shards lie on their way, unless a person names another folder; no name of a repository holds "--"."""
    return state_dir / FOLDERS / repo.replace("/", "--")


def checked(wish: Wish, state_dir: Path) -> Wish:
    """The wish with absolute folders, if it can be begun.

    Args:
        wish: as typed; an empty staging folder is the default one.

    Raises:
        BadTree: no such source. BadPlan: no such repository name, or a staging folder that cannot be one.
        BadSettings: a size or a number that is none.
    """
    repo = wish.repo.strip().removeprefix("hub:").removeprefix("https://huggingface.co/datasets/").strip("/")
    try:
        check_repo(repo)
    except BadSource:
        raise BadPlan(
            "that is no name of a dataset" if repo else "the repository has no name yet",
            hint="write it like OWNER/NAME",
        ) from None
    source = _source(wish.source)
    staging = _staging(wish.staging, source, default_staging(state_dir, repo))
    for text in (wish.limit, wish.bandwidth):
        if text.strip():
            parse_size(text)
    read_back = wish.read_back.strip().lower()
    if read_back not in ("", _ALL) and not re.fullmatch(r"[0-9]{1,6}", read_back):
        raise BadSettings("the number of shards to read back is none", hint='write a number, "all" or nothing')
    licence = wish.licence.strip()
    if licence and (licence_of(licence) is None or not _SPOKEN.fullmatch(licence)):
        raise BadPlan("that licence is not known", hint="write it like cc-by-4.0, or leave it empty for the source's")
    more = {"limit": wish.limit.strip(), "bandwidth": wish.bandwidth.strip(), "licence": licence}
    told = {"source": str(source), "repo": repo, "staging": str(staging), "read_back": read_back, **more}
    return Wish(**{**asdict(wish), "despite": wish.despite, **told})


def typed(text: str) -> Path:
    """The folder that a person means, also where it was pasted with the quotes or backslashes of a shell.

    Raises:
        BadTree: that is no path.
    """
    raw = text.strip()
    if not raw or "\0" in raw:
        raise BadTree("no folder is named yet", hint="type its whole path, like /data/ds004884")
    plain = Path(raw).expanduser()
    if not _there(plain):
        try:
            words = shlex.split(raw)
        except ValueError:
            words = []
        if len(words) == 1 and words[0] != raw:
            plain = Path(words[0]).expanduser()
    if not plain.is_absolute():
        raise BadTree("that is no whole path", hint="type it from the root on, like /data/ds004884")
    return plain


def validate_command(wish: Wish, progress: Path) -> list[str]:
    """Look at every file."""
    return [*_base("validate"), "--schema", wish.schema, "--progress", str(progress), *_judging(wish), "--json",
            "--", wish.source]  # fmt: skip


def plan_command(wish: Wish) -> list[str]:
    """What it will take."""
    how = [*_naming(wish), *_shaping(wish), *_judging(wish)]
    return [*_base("plan"), *how, "--json", "--", wish.source]


def run_command(wish: Wish, progress: Path, validated: Path | None = None) -> list[str]:
    """All of it, or the rest of it.

    Args:
        validated: a report of the validation that need not be done again while the source is the same.
    """
    more = ["--read-back", wish.read_back] if wish.read_back else []
    more += ["--public"] if wish.public else []
    more += ["--replace"] if wish.replace else []
    more += [word for code in wish.despite for word in ("--despite", code)]
    more += ["--validated", str(validated)] if validated is not None else []
    told = ["--progress", str(progress), "--json"]
    return [*_base("run"), *_naming(wish), *_shaping(wish), *_judging(wish), *more, *told, "--", wish.source]


def verify_command(staging: Path, read_back: str = "") -> list[str]:
    """Look at the repository once more."""
    return [*_base("verify"), f"--staging={staging}", *(["--read-back", read_back] if read_back else []), "--json"]


def _base(name: str) -> list[str]:
    return [sys.executable, "-m", "core", "publish", name]


def _naming(wish: Wish) -> list[str]:
    return ["--schema", wish.schema, "--repo", wish.repo, f"--staging={wish.staging}"]


def _shaping(wish: Wish) -> list[str]:
    sizes = (("--limit", wish.limit), ("--bandwidth", wish.bandwidth))
    return (["--rolling"] if wish.rolling else []) + [word for pair in sizes if pair[1] for word in pair]


def _judging(wish: Wish) -> list[str]:
    return (["--no-counts"] if wish.part else []) + ([f"--licence={wish.licence}"] if wish.licence else [])


def _source(text: str) -> Path:
    folder = typed(text)
    if not _there(folder):
        raise BadTree("there is no such folder", hint="look at its spelling; upper and lower case count")
    if not folder.is_dir():
        raise BadTree("that is a file", hint="give the folder that holds the whole dataset")
    if not os.access(folder, os.R_OK | os.X_OK):
        raise BadTree("this app may not read that folder", hint="check its permissions")
    return folder.resolve()


def _staging(text: str, source: Path, usual: Path) -> Path:
    try:
        folder = (typed(text) if text.strip() else usual.expanduser()).resolve()
    except BadTree as error:
        raise BadPlan(f"the staging folder: {error}", hint=error.hint) from None
    except (OSError, RuntimeError):
        raise BadPlan("that path cannot be followed", hint="choose another staging folder") from None
    if source in (folder, *folder.parents):
        raise BadPlan("the staging folder lies inside the source", hint="choose a folder beside it")
    if folder in source.parents:
        raise BadPlan("the source lies inside the staging folder", hint="choose a new, empty folder for staging")
    if _there(folder) and not folder.is_dir():
        raise BadPlan("the staging folder is a file", hint="choose a new, empty folder")
    above = next((place for place in (folder, *folder.parents) if _there(place)), Path("/"))
    if not os.access(above, os.W_OK | os.X_OK):
        raise BadPlan("this app may not write there", hint="choose a staging folder that it may write to")
    return folder


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
