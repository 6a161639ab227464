"""Which images a kept result was made from, who makes it, and that what is in use stays in use."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from core.errors import FetchCancelled, ResultInUse
from core.hub.leases import Leases
from core.segmentation.kept import Results
from core.segmentation.kept_record import agree, images_of
from tests.segmentation.test_kept_robust import made


def told(folder: Path, **more: object) -> None:
    """The sidecar says that much more."""
    path = folder / "m.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **more}))


def test_a_result_knows_the_images_it_was_made_from(tmp_path: Path) -> None:
    results = Results(tmp_path)
    folder = made(results, "a")
    told(folder, Inputs={"dwi": {"sha256": "d1"}, "adc": {"sha256": "a1"}})
    record = json.loads((folder / "result.json").read_text())
    record["kept"].pop("sizes")
    (folder / "result.json").write_text(json.dumps(record))
    kept = results.get(folder.name)
    assert kept is not None and kept.images == {"dwi": "d1", "adc": "a1"}
    assert kept.is_of({"dwi": "d1", "adc": "a1", "lesion_mask": "t"}) and kept.is_of({"flair": "f"}) and kept.is_of({})
    assert not kept.is_of({"dwi": "d2", "adc": "a1"})


def test_a_consensus_is_of_the_images_of_its_members(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text(json.dumps({
        "Inputs": {"mask1": {"sha256": "m"}, "probability2": {"sha256": "p"}, "adc": {"sha256": "a1"}},
        "Images": {"dwi": "d1", "adc": "a1", "flair": 5},
    }))  # fmt: skip
    assert images_of(path) == {"adc": "a1", "dwi": "d1"}
    for bad in ("", "[]", '{"Inputs": 3, "Images": []}', '{"Inputs": {"dwi": "d"}}'):
        path.write_text(bad)
        assert images_of(path) == {}
    assert images_of(tmp_path / "none.json") == {}


def test_images_of_one_name_agree_or_not() -> None:
    assert agree([]) and agree([{"dwi": "a"}, {"adc": "b"}, {"dwi": "a"}])
    assert not agree([{"dwi": "a"}, {}, {"dwi": "b"}])


def test_one_app_makes_a_result_and_the_other_waits_for_it(tmp_path: Path) -> None:
    mine, other = Results(tmp_path), Results(tmp_path)
    folder = tmp_path / "results" / ("a" * 32)
    waits, order = threading.Event(), list[str]()

    def second() -> None:
        with other.making(folder, lambda: False, waits.set):
            order.append("second")

    with mine.making(folder, lambda: False):
        thread = threading.Thread(target=second)
        thread.start()
        assert waits.wait(60)
        with pytest.raises(FetchCancelled), other.making(folder, lambda: True):
            raise AssertionError("it is somebody's")
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]
    assert mine.entries() == () and not list((tmp_path / "results").iterdir())


def test_what_is_shown_stays_also_with_more_of_it_than_files_may_be_open(tmp_path: Path) -> None:
    results = Results(tmp_path, Leases(most=2))
    keys = [made(results, str(n)).name for n in range(4)]
    for key in keys:
        assert results.hold(f"session of {key}", [key]) == {key}
    for key in keys:
        with pytest.raises(ResultInUse):
            results.delete(key)
    results.let_go(f"session of {keys[3]}")
    assert results.delete(keys[3]) > 0 and results.clear() == 0


def test_the_lock_of_a_maker_that_was_killed_goes(tmp_path: Path) -> None:
    results = Results(tmp_path)
    folder = made(results, "a")
    left = folder.parent / f".making-{folder.name}"
    left.touch()
    with results.making(folder, lambda: False):
        assert len(results.entries()) == 1 and left.exists()
    left.touch()
    assert len(results.entries()) == 1 and not left.exists()
