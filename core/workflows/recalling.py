"""Recalling: from the record of a job back to its question, so that it can be run again; its images are got anew.

Asks sources, models and kept results through what it is given. Runs no engine and draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput
from core.hub.cache import Cache
from core.resources.guard import Guard, OnWaiting
from core.resources.room import Room
from core.segmentation.engine import EngineInfo, load_engine
from core.segmentation.kept import Results
from core.segmentation.models import ModelFolder
from core.segmentation.results import JobResult
from core.settings import Settings
from core.sources.opening import open_source
from core.sources.protocol import Cancelled, LocalFile, Report, Source
from core.sources.verified import VerifiedFiles
from core.workflows.asking import Ask, ask_consensus, images_of
from core.workflows.guarded import Visit, fetch
from core.workflows.job_book import JobRecord, is_id
from core.workflows.segment_case import fetch_inputs

OpenSource = Callable[[str], Source]
FindModel = Callable[[str, Cancelled], ModelFolder]


def folder_of(settings: Settings, key: str) -> Path:
    """Where the result of that key lies; `key` passes `is_id`."""
    return settings.cache_dir / "results" / key


def open_alone(settings: Settings, spec: str) -> Source:
    """The source of that name, with a cache and connections of its own."""
    return open_source(spec, settings, Cache(settings.cache_dir, Room(settings)))


@dataclass(frozen=True)
class Recall:
    """What it takes to ask again.

    Attributes:
        open_source: a source by its canonical spec.
        find_model: a model by what the record calls it, fetched where it must be.
    """

    guard: Guard
    results: Results
    open_source: OpenSource
    find_model: FindModel

    def ask(self, record: JobRecord, report: Report, cancelled: Cancelled, waiting: OnWaiting) -> Ask:
        """The question that the record tells of, its images on this disk.

        Raises:
            BadInput: its images belong to no case, so nobody knows where to get them; a joined result is gone.
            StrokescopeError: as sources, models and Ask do.
        """
        if record.members:
            return self._consensus(record, report, cancelled, waiting)
        model = None if record.model is None else self.find_model(record.model, cancelled)
        info = load_engine(record.engine, None if model is None else model.folder).info
        files = self._files(record, info, report, cancelled, waiting)
        return Ask(record.engine, files, record.parameters, record.case_id, record.source, model)

    def _files(
        self, record: JobRecord, info: EngineInfo, report: Report, cancelled: Cancelled, waiting: OnWaiting
    ) -> dict[str, LocalFile]:
        if record.case_id is None or record.source is None:
            raise BadInput("the images of this job belong to no case", hint="give the files again")
        source = self.open_source(record.source)
        visit = Visit(self.guard, record.owner, waiting)
        return dict(fetch_inputs(source, record.case_id, info, (), report, cancelled, visit).files)

    def _consensus(self, record: JobRecord, report: Report, cancelled: Cancelled, waiting: OnWaiting) -> Ask:
        results = {key: self.kept(key) for key in record.members}
        verified = VerifiedFiles()
        files = {path.absolute(): verified.verify(path) for one in results.values() for path in images_of(one)}
        rule = str(record.parameters.get("rule", "majority"))
        bare = ask_consensus(results, rule, files, record.source)
        if record.case_id is None or record.source is None or bare.folder(self.results).name == record.key:
            return bare
        visit, source = Visit(self.guard, record.owner, waiting), self.open_source(record.source)
        adc = fetch(visit, source, record.case_id, ["adc"], report, cancelled).files.get("adc")
        return ask_consensus(results, rule, files, record.source, adc)

    def kept(self, key: str) -> JobResult:
        """The kept result of that key.

        Raises:
            BadInput: it is not here.
        """
        found = self.results.find(folder_of(self.guard.settings, key)) if is_id(key) else None
        if found is None:
            raise BadInput("a result that was to be joined is no longer kept", hint="run its engine again first")
        return found
