"""A folder on this machine as a source of cases. Gives the folder's own files, checked; copies and changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from core.case import CaseRef, Clinical, check_case_id, in_screen_order
from core.errors import BadSource, CaseNotFound, FetchCancelled
from core.hub.turns import FRONT, Turn
from core.imaging.nifti import Header, read_header
from core.sources.clinical_tables import merge, read_participants, read_workbook
from core.sources.folders import CaseFolder, find_cases
from core.sources.headers import absent
from core.sources.protocol import Cancelled, Fetched, Listing, Progress, Report, never, no_report
from core.sources.verified import VerifiedFiles


class LocalSource:
    """A Source (protocol.py) over an ISLES'24 tree (also below `train/`), a BIDS-like tree, or plain case folders.

    Raises:
        BadSource: there is no such folder. That it holds no case is found by `listing`.
    """

    synthetic = False

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise BadSource("there is no such folder", hint="check the path after local:")
        self._folder = folder.resolve()
        self._verified = VerifiedFiles()
        self._lock = threading.Lock()
        self._cases: dict[str, CaseFolder] | None = None
        self._participants: dict[str, Clinical] = {}
        self._workbooks: dict[str, Clinical] = {}

    @property
    def spec(self) -> str:
        return f"local:{self._folder}"

    @property
    def title(self) -> str:
        return f"Folder {self._folder.name or self._folder}"

    def listing(self, cancelled: Cancelled = never) -> Listing:
        """The folder's cases now; complete unless workbooks are still unread. Raises BadSource, FetchCancelled."""
        cases = self._scan(cancelled)
        with self._lock:
            complete = all(not case.tables or name in self._workbooks for name, case in cases.items())
        return Listing(self.spec, None, tuple(self._ref(case) for case in cases.values()), complete)

    def refresh(self, report: Report = no_report, cancelled: Cancelled = never) -> Listing:
        """Read the phenotype workbooks too. Raises BadSource, FetchCancelled."""
        cases = self._scan(cancelled)
        for number, case in enumerate(cases.values()):
            if cancelled():
                raise FetchCancelled("stopped while reading the clinical tables", hint="refresh again to go on")
            report(Progress("reading clinical tables", number, len(cases)))
            self._read_workbooks(case, again=True)
        return self.listing(cancelled)

    def case(self, case_id: str, cancelled: Cancelled = never) -> CaseRef:
        """One case with its clinical values. Raises CaseNotFound, BadSource, FetchCancelled."""
        case = self._find(case_id, cancelled)
        self._read_workbooks(case)
        return self._ref(case)

    def fetch(
        self,
        case_id: str,
        modalities: Sequence[str],
        report: Report = no_report,
        cancelled: Cancelled = never,
        turn: Turn = FRONT,
    ) -> Fetched:
        """The folder's own files after one full decode each. Raises CaseNotFound, BadVolume, FetchCancelled."""
        case = self._find(case_id)
        wanted = in_screen_order(set(modalities) & set(case.files))
        total, done, files = sum(case.sizes[name] for name in wanted), 0, {}
        for name in wanted:
            if cancelled():
                raise FetchCancelled("stopped while checking the files", hint="choose the case again to go on")
            report(Progress(f"checking {name}", done, total))
            files[name] = self._verified.verify(case.files[name])
            done += case.sizes[name]
        report(Progress("checked", total, total))
        absent = tuple(dict.fromkeys(name for name in modalities if name not in files))
        return Fetched(case_id, files, absent)

    def header(self, case_id: str, modality: str, cancelled: Cancelled = never) -> Header:
        """What the file's header says. Raises CaseNotFound, ModalityAbsent, BadVolume."""
        case = self._find(case_id)
        if modality not in case.files:
            raise absent(case_id, modality)
        return read_header(case.files[modality])

    def cached(self, case_id: str) -> frozenset[str]:
        """Everything the case has: it is all on this disk."""
        return frozenset(self._find(case_id).files)

    def check(self) -> float | None:
        """None: there is no network to answer."""
        return None

    def newest(self) -> str | None:
        """None: there are no commits."""
        return None

    def _scan(self, cancelled: Cancelled = never) -> dict[str, CaseFolder]:
        cases = {case.case_id: case for case in find_cases(self._folder, cancelled)}
        tables = (self._folder / "participants.tsv", self._folder / "train" / "participants.tsv")
        participants = {name: row for path in tables for name, row in read_participants(path).items()}
        with self._lock:
            self._cases, self._participants = cases, participants
        return cases

    def _find(self, case_id: str, cancelled: Cancelled = never) -> CaseFolder:
        check_case_id(case_id)
        cases = self._cases if self._cases is not None else self._scan(cancelled)
        if case_id not in cases:
            raise CaseNotFound("the folder has no such case", hint="choose a case from the list")
        return cases[case_id]

    def _read_workbooks(self, case: CaseFolder, again: bool = False) -> None:
        if not case.tables or (case.case_id in self._workbooks and not again):
            return
        clinical = Clinical()
        for path in case.tables:
            clinical = merge(clinical, read_workbook(path))
        with self._lock:
            self._workbooks[case.case_id] = clinical

    def _ref(self, case: CaseFolder) -> CaseRef:
        known = self._participants.get(case.case_id, Clinical())
        read = self._workbooks.get(case.case_id)
        if read is not None:
            known = merge(known, {name: value for name, value in vars(read).items() if value is not None})
        return CaseRef(case.case_id, known, in_screen_order(set(case.files)), case.sizes)
