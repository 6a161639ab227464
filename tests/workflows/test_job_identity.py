"""Jobs and their bytes: another app's result stays, a changed question is one job, changed images give no result."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from core.errors import BadInput
from core.segmentation.engine import load_engine
from core.segmentation.kept import Results
from core.sources.local import LocalSource
from core.sources.sample import SampleSource
from core.workflows import segment_case as flow
from core.workflows.asking import Ask
from core.workflows.desk import Desk
from core.workflows.job_book import JobBook
from core.workflows.job_run import ELSEWHERE
from tests.workflows.desks import PATIENCE_S, Engine, left_in, place, until
from tests.workflows.doors import door

INFO = load_engine("diffusion").info


class Folder:
    """A local source of one case, whose images a test may change."""

    def __init__(self, folder: Path) -> None:
        self._samples, self._folder = SampleSource(folder / "samples"), folder / "data"

    def put(self, name: str) -> None:
        """The images of that sample case are the case's now."""
        case = self._folder / "c1"
        case.mkdir(parents=True, exist_ok=True)
        for modality, file in self._samples.fetch(name, ["dwi", "adc"]).files.items():
            shutil.copy(file.path, case / f"{modality}.nii.gz")

    def ask(self) -> Ask:
        """The question about the images as they are now."""
        source = LocalSource(self._folder)
        return Ask("diffusion", flow.fetch_inputs(source, "c1", INFO).files, {}, "c1", source.spec)


def test_what_another_app_has_made_meanwhile_is_found_and_stays(tmp_path: Path) -> None:
    with place(tmp_path) as at:
        ask, other = at.ask(), Results(tmp_path / "cache")
        folder = ask.folder(other)
        with other.making(folder, lambda: False), other.using([folder]):
            gives_up, waits = at.desk.submit(ask, "anna"), at.desk.submit(at.ask(z_seed=9.0), "anna")
            until(lambda: at.book.get(gives_up) and at.book.get(gives_up).note == ELSEWHERE)  # type: ignore[union-attr]
            assert at.desk.cancel(gives_up, "anna") and at.desk.wait(gives_up, PATIENCE_S)
            again = at.desk.submit(ask, "anna")
            other.keep(folder, left_in(folder, ask))
        assert at.desk.wait(again, PATIENCE_S)
        record = at.book.get(again)
        assert record is not None and record.state == "done" and other.find(folder) is not None
        at.engine.go.set()
        assert at.desk.wait(waits, PATIENCE_S) and len(at.engine.ran) == 1


def test_a_question_whose_images_changed_is_one_job_under_its_new_name(tmp_path: Path) -> None:
    case, engine = Folder(tmp_path), Engine()
    case.put("sample-05")
    with door(tmp_path) as guard:
        results = Results(guard.settings.cache_dir)
        desk = Desk(guard.settings, guard, results, JobBook(tmp_path / "jobs"), making=engine)
        try:
            first = desk.submit(case.ask(), "anna")
            desk.cancel(first, "anna")
            assert desk.wait(first, PATIENCE_S)
            case.put("sample-01")
            again = desk.again(first, "anna")
            until(lambda: desk.get(again).state == "running")  # type: ignore[union-attr]
            assert desk.submit(case.ask(), "anna") == again
            record = desk.get(again)
            assert record is not None and record.key == case.ask().folder(results).name
            assert desk.cancel(again, "anna")
            until(desk.idle)
        finally:
            engine.go.set()
            desk.close(PATIENCE_S)


def test_an_image_that_changed_before_its_turn_gives_no_result(tmp_path: Path) -> None:
    case = Folder(tmp_path)
    case.put("sample-05")
    with door(tmp_path) as guard:
        ask, out = case.ask(), tmp_path / "out"
        case.put("sample-01")
        with pytest.raises(BadInput, match="changed since it was chosen"):
            flow.segment(guard.settings, ask, out, guard=guard)
        assert not out.exists()
