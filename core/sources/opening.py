"""Opening: the text after --source, to a Source.

Parses `hub:OWNER/NAME[@REVISION]`, `local:DIR` and `sample`, and builds the source.
Makes no request and reads no image.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.errors import BadSource
from core.hub.cache import Cache
from core.hub.fetch import Fetcher
from core.hub.hubs import Hubs
from core.settings import Settings
from core.sources.hub import open_hub
from core.sources.local import LocalSource
from core.sources.protocol import Source
from core.sources.sample import SampleSource

_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]{0,199}")
FORMS = "hub:OWNER/NAME[@REVISION], local:DIR or sample"


@dataclass(frozen=True)
class Spec:
    """A source's name, taken apart. `place` is OWNER/NAME or the folder, "" for the sample."""

    kind: Literal["hub", "local", "sample"]
    place: str = ""
    revision: str | None = None


def parse_spec(text: str) -> Spec:
    """Take a source's name apart.

    Raises:
        BadSource: it has none of the three forms.
    """
    text = text.strip()
    if text == "sample":
        return Spec("sample")
    kind, _, rest = text.partition(":")
    if kind == "local" and rest.strip() and "\0" not in rest:
        return Spec("local", rest.strip())
    if kind == "hub":
        repo, at, revision = rest.partition("@")
        good = _REPO.fullmatch(repo) and ".." not in rest and (not at or _REVISION.fullmatch(revision))
        if good:
            return Spec("hub", repo, revision or None)
    raise BadSource(f"{text[:80]!r} is not a source of cases", hint=f"write {FORMS}")


def open_source(
    text: str, settings: Settings, cache: Cache, fetcher: Fetcher | None = None, hubs: Hubs | None = None
) -> Source:
    """The source of that name; `fetcher` and `hubs` are shared by the sources of a process.

    Raises:
        BadSource: the name has none of the known forms, or the local folder is not there.
    """
    spec = parse_spec(text)
    if spec.kind == "hub":
        if settings.space_id and parse_spec(settings.source).place != spec.place:
            # A visitor of a public Space may name any dataset, but not read it with the owner's token.
            settings = settings.model_copy(update={"hf_token": None})
        return open_hub(spec.place, spec.revision, settings, cache, fetcher=fetcher, hubs=hubs)
    if spec.kind == "local":
        return LocalSource(Path(spec.place).expanduser())
    return SampleSource(settings.cache_dir)
