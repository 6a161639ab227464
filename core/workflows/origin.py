"""Origin: where the case of a result comes from, in the words and names that files may tell.

One rule for the page and the command line: a session only where the source's own paths tell it or the source is known
to be ISLES'24 (or made like it), an address only for a file that has a path in the source. Invents neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from core import __version__
from core.case import MODALITIES, SESSION_LABELS
from core.evaluation.records import TASK_NOTE
from core.workflows.explore_case import is_isles24

Space = Literal["orig", "ncct"]
OTHERS = "scores of another task or of other cases are not comparable with them"
PAINTED_NOTE = (
    "These scores compare with infarcts that were painted into generated heads; they say nothing about patients and "
    "are comparable with no other score."
)
LINK = "source"  # the dataset's name in BIDS URIs
BESIDE = "../.."  # where the source lies, seen from derivatives/NAME
_SESSION = re.compile(r"(?:^|[/_])(ses-[A-Za-z0-9]+)(?=[/_.]|$)")


@dataclass(frozen=True)
class Origin:
    """Where the case of a result comes from, and how its files are to be named.

    Attributes:
        source: canonical spec, e.g. "hub:owner/name@<commit>", "sample" or "local:…" (whose folder is never told); ""
            for files that a person named.
        space: "ncct" where the images were resampled to the acute CT, as ISLES'24 releases them; "orig" otherwise.
        endpoint: address of the Hub.
        sessions: the source's sessions are those of ISLES'24; otherwise only paths tell them.
        software: version of this program.
        paths: input -> its path inside the source dataset, where it has one.
    """

    source: str
    space: Space = "orig"
    endpoint: str = "https://huggingface.co"
    sessions: bool = False
    software: str = __version__
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str | None:
        """The dataset's page at its revision; None for a source that has none."""
        if not self.source.startswith("hub:"):
            return None
        repo, _, revision = self.source.removeprefix("hub:").partition("@")
        return f"{self.endpoint.rstrip('/')}/datasets/{repo}" + (f"/tree/{revision}" if revision else "")

    @property
    def revision(self) -> str | None:
        """The commit, or None."""
        return self.source.partition("@")[2] or None if self.source.startswith("hub:") else None

    @property
    def title(self) -> str:
        """The source in words that name no folder of this machine."""
        if self.source.startswith("local"):
            return "a folder of the user's own"
        return self.source or "files of the user's own"

    @property
    def links(self) -> dict[str, str]:
        """What the name in a BIDS URI stands for; empty where no URI is told and the source has no page."""
        if self.address:
            return {LINK: self.address}
        return {LINK: BESIDE} if self.paths else {}

    @property
    def about_scores(self) -> str:
        """What a score against the truth of this source is of, and what it cannot be compared with."""
        if self.source == "sample":
            return PAINTED_NOTE
        if self.sessions:
            return TASK_NOTE
        named = self.source.removeprefix("hub:").partition("@")[0]
        whose = f"that {named} publishes" if self.source.startswith("hub:") else "of the user's own"
        return f"These scores compare with masks {whose}, whatever those show; {OTHERS}."

    def session(self, name: str) -> str | None:
        """Of one image, e.g. "ses-0001"; None where nobody tells."""
        found = _SESSION.search(self.paths.get(name, ""))
        if found:
            return found[1]
        return MODALITIES[name].session if self.sessions and name in MODALITIES else None

    def session_of(self, inputs: Iterable[str]) -> str | None:
        """Of a result with these inputs; a consensus, whose inputs are masks, is of its case's one session."""
        told = [self.session(name) for name in inputs if name in MODALITIES]
        if told:
            return told[0]
        found = {self.session(name) for name in self.paths} or {self.session("dwi")}
        return next(iter(found)) if len(found) == 1 else None

    def when(self, names: Iterable[str]) -> str:
        """The sessions of these images in words; "not told" where none is known."""
        words = dict.fromkeys(self._words(name) for name in names)
        return "; ".join(sorted(word for word in words if word)) or "not told"

    def _words(self, name: str) -> str:
        session = self.session(name) or ""
        known = SESSION_LABELS.get(session) if self.sessions else None
        return f"{session} ({known})" if known else session

    def uri(self, name: str) -> str | None:
        """The BIDS URI of an input; None for one that has no path in the source."""
        path = self.paths.get(name)
        return None if path is None else f"bids:{LINK}:{quote(path)}"


def origin_of(spec: str | None, files: Mapping[str, Path], endpoint: str = Origin.endpoint) -> Origin:
    """The origin of a case.

    Args:
        spec: canonical spec of its source; None for files that a person named.
        files: its images, by modality.
    """
    if not spec:
        return Origin("", endpoint=endpoint)
    local = spec.startswith("local")  # what a folder is called proves nothing; its files' names do
    known = any(is_isles24("" if local else spec, path) for path in (None, *files.values()))
    space: Space = "ncct" if known and spec != "sample" else "orig"
    return Origin(spec, space, endpoint, known, paths=paths_in(spec, files))


def paths_in(spec: str, files: Mapping[str, Path]) -> dict[str, str]:
    """Where the images lie inside a folder of the user's own; other sources have no files of their own."""
    found: dict[str, str] = {}
    if spec.startswith("local:"):
        root = Path(spec.removeprefix("local:"))
        for name, path in files.items():
            with suppress(ValueError):  # made from what lies there
                found[name] = path.relative_to(root).as_posix()
    return found
