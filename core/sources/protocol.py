"""Source: where cases come from, as one contract that every source keeps.

A source lists cases without reading images, and gives an image as a verified file. It does not decode images, keep
sessions or know of screens. `tests/sources/contract.py` holds the tests that each implementation passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from core.case import CaseRef
from core.hub.turns import FRONT, Turn
from core.imaging.header import Header


@dataclass(frozen=True)
class Progress:
    """How far a transfer is.

    Attributes:
        what: is being done, e.g. "dwi, adc".
        done, total: bytes; total is None while unknown.
        note: what it waits for, e.g. "2 transfers before yours" or "the connection broke; trying again"; "" otherwise.
    """

    what: str
    done: int
    total: int | None
    note: str = ""


Report = Callable[[Progress], None]
Cancelled = Callable[[], bool]


def no_report(progress: Progress) -> None:
    """For callers that do not watch."""


def never() -> bool:
    """For callers that do not cancel."""
    return False


@dataclass(frozen=True)
class LocalFile:
    """One image on this disk, verified.

    Attributes:
        path: a .nii or .nii.gz that nobody will change while it is in use.
        bytes: file size.
        sha256: hex digest of the file's bytes as they lie there.
    """

    path: Path
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Fetched:
    """The outcome of one fetch.

    Attributes:
        files: modality -> file, for every modality asked for that exists.
        absent: modalities asked for that the case does not have.
        bytes_fetched: bytes that crossed the network.
        requests: HTTP requests made for this fetch, footers included.
        from_cache: nothing had to be fetched or made.
    """

    case_id: str
    files: Mapping[str, LocalFile]
    absent: tuple[str, ...]
    bytes_fetched: int = 0
    requests: int = 0
    from_cache: bool = True


@dataclass(frozen=True)
class Listing:
    """All cases of a source.

    Attributes:
        source: canonical spec, e.g. `hub:owner/name@<40 hex>`, `local:/data`, `sample`.
        revision: commit of the Hub, or None.
        cases: sorted by id, ids unique.
        complete: clinical values, modalities and sizes are all known (False: only ids, `refresh` gives the rest).
    """

    source: str
    revision: str | None
    cases: tuple[CaseRef, ...]
    complete: bool


class Source(Protocol):
    """The contract.

    - `spec` is canonical: two sources with equal specs give equal bytes for equal questions.
    - `listing` reads no image bytes; on the pinned Hub revision it makes no request at all.
    - `refresh` makes the listing complete, by reading metadata only; may be slow, reports.
    - What takes `cancelled` raises FetchCancelled within a second of its being true, unless it needs no wait.
    - `fetch` returns only files that were verified; raises CaseNotFound, HubError, DiskFull, FetchCancelled; a modality
      that the case lacks is in `absent`, not an error. After an error or a cancel nothing partial lies at a final path.
    - `cached` asks the disk only: which of the case's modalities are here already (never a request).
    - `header` costs the first KB of one image at most, and none when the image is here.
    - `newest` makes no request: it is what the last `check` learned.
    - All methods may be called from several threads at once.
    """

    @property
    def spec(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def synthetic(self) -> bool: ...

    def listing(self, cancelled: Cancelled = never) -> Listing: ...

    def refresh(self, report: Report = no_report, cancelled: Cancelled = never) -> Listing: ...

    def case(self, case_id: str, cancelled: Cancelled = never) -> CaseRef:
        """One case, modalities and sizes known, at the least cost. Raises CaseNotFound, HubError, FetchCancelled."""
        ...

    def fetch(
        self,
        case_id: str,
        modalities: Sequence[str],
        report: Report = no_report,
        cancelled: Cancelled = never,
        turn: Turn = FRONT,
    ) -> Fetched: ...

    def header(self, case_id: str, modality: str, cancelled: Cancelled = never) -> Header:
        """What the image's header says. Raises CaseNotFound, ModalityAbsent, HubError, BadVolume, FetchCancelled."""
        ...

    def cached(self, case_id: str) -> frozenset[str]: ...

    def check(self) -> float | None:
        """Seconds the source took to answer just now; None without a network. Raises HubError within 5 s."""
        ...

    def newest(self) -> str | None:
        """The commit that the followed branch names now, where it is another than the one in use; None otherwise."""
        ...
