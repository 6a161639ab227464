"""Every engine keeps the contract of core.segmentation.engine."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput, BadParameter
from core.imaging.geometry import same_grid
from core.segmentation.engine import COMBINERS, ENGINES, Choice, Parameter, Segmentation, Value, load_engine
from tests.segmentation.engines import FACTORIES, Ready, stored
from tests.segmentation.heads import turned

Heard = list[tuple[str, float]]


@pytest.fixture(scope="module", params=sorted(FACTORIES))
def ready(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ready:
    return FACTORIES[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def found(ready: Ready, tmp_path_factory: pytest.TempPathFactory) -> Segmentation:
    return run(ready, tmp_path_factory.mktemp("found"))


def run(
    ready: Ready, folder: Path, heard: Heard | None = None, parameters: Mapping[str, Value] | None = None
) -> Segmentation:
    scratch = folder / "scratch"
    scratch.mkdir()
    note: Heard = [] if heard is None else heard
    return ready.engine.segment(ready.inputs, parameters or {}, lambda name, done: note.append((name, done)), scratch)


def digests(ready: Ready) -> dict[Path, str]:
    return {image.path: hashlib.sha256(image.path.read_bytes()).hexdigest() for image in ready.inputs.values()}


def test_every_engine_is_tested() -> None:
    assert set(FACTORIES) == set(ENGINES | COMBINERS)


def test_its_description_is_complete(ready: Ready) -> None:
    info = ready.engine.info
    assert info.name in ENGINES | COMBINERS
    for words in (info.label, info.version, info.validated, info.licence, info.citation, info.task):
        assert words.strip() and "\n" not in words
    assert info.failures and info.inputs and not set(info.inputs) & set(info.optional)
    assert all(sentence.endswith(".") for sentence in (info.validated, *info.failures))
    assert len({p.name for p in info.parameters}) == len(info.parameters)
    for p in info.parameters:
        assert p.label and p.help
        if isinstance(p, Choice):
            assert p.default in p.options and len(set(p.options)) == len(p.options) >= 2
        else:
            assert p.low <= p.default <= p.high and p.step > 0
    assert info.settle({}) == {p.name: p.default for p in info.parameters}


def test_its_needs_are_positive_and_never_fall(ready: Ready) -> None:
    sizes = (1, 1_000_000, 5_000_000, 26_000_000)
    needs = [ready.engine.needs(voxels, ready.engine.info.settle({})) for voxels in sizes]
    assert all(n.memory_mb > 0 and n.seconds > 0 and n.gpu_mb >= 0 and n.disk_mb >= 0 for n in needs)
    for one, two in itertools.pairwise(needs):
        assert one.memory_mb <= two.memory_mb and one.seconds <= two.seconds and one.disk_mb <= two.disk_mb
    assert needs[0].memory_mb < needs[-1].memory_mb


def test_it_can_run_here_and_says_what_is_missing_in_words(ready: Ready) -> None:
    assert ready.engine.missing() is None


def test_it_answers_on_the_grid_of_its_first_input(ready: Ready, found: Segmentation) -> None:
    first = ready.inputs[ready.engine.info.inputs[0]].header
    maps = [found.probability, found.disagreement]
    assert found.mask.data.shape == first.grid
    np.testing.assert_array_equal(found.mask.affine, first.affine)
    for data in maps:
        if data is not None:
            assert data.dtype == np.float32 and data.shape == first.grid
            assert data.min() >= 0 and data.max() <= 1
    if found.probability is not None:
        np.testing.assert_array_equal(found.probability >= found.threshold, found.mask.data)
        assert ready.engine.info.probability
    if found.core is not None:
        assert same_grid(found.core.data.shape, found.core.affine, first.grid, first.affine)
        assert not (found.core.data & ~found.mask.data).any()
    assert all(sentence.endswith(".") for sentence in found.warnings)


def test_it_keeps_the_orientation_of_its_input(ready: Ready, tmp_path: Path) -> None:
    volumes = {name: turned(image.volume(), (1, 0, 2), (True, False, True)) for name, image in ready.inputs.items()}
    lying = Ready(ready.engine, stored(volumes, tmp_path))
    found = run(lying, tmp_path)
    first = lying.inputs[ready.engine.info.inputs[0]].header
    assert first.orientation != ready.inputs[ready.engine.info.inputs[0]].header.orientation
    assert found.mask.data.shape == first.grid
    np.testing.assert_array_equal(found.mask.affine, first.affine)


def test_it_says_how_far_it_is(ready: Ready, tmp_path: Path) -> None:
    heard: Heard = []
    run(ready, tmp_path, heard)
    fractions = [done for _, done in heard]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1
    assert len({name for name, _ in heard}) >= 2 and all(name for name, _ in heard)


def test_it_prints_nothing_and_leaves_its_inputs_and_their_folder_alone(
    ready: Ready, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = digests(ready)
    folders = {path.parent: sorted(path.parent.iterdir()) for path in before}
    run(ready, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert digests(ready) == before
    assert {folder: sorted(folder.iterdir()) for folder in folders} == folders
    assert list(tmp_path.iterdir()) == [tmp_path / "scratch"]


def test_it_gives_the_same_answer_twice(ready: Ready, found: Segmentation, tmp_path: Path) -> None:
    again = run(ready, tmp_path)
    np.testing.assert_array_equal(again.mask.data, found.mask.data)
    assert again.warnings == found.warnings and again.notes == found.notes
    for one, two in ((again.probability, found.probability), (again.disagreement, found.disagreement)):
        assert (one is None) == (two is None)
        if one is not None and two is not None:
            np.testing.assert_array_equal(one, two)


def test_it_refuses_without_one_of_its_inputs(ready: Ready, tmp_path: Path) -> None:
    for n, missing in enumerate(ready.engine.info.inputs):
        (tmp_path / str(n)).mkdir()
        fewer = Ready(ready.engine, {name: image for name, image in ready.inputs.items() if name != missing})
        with pytest.raises(BadInput) as refused:
            run(fewer, tmp_path / str(n))
        assert missing.upper() in str(refused.value) and refused.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e9, 1e9, "no such word"])
def test_it_refuses_parameters_that_are_unknown_or_out_of_range(
    ready: Ready, tmp_path: Path, value: float | str
) -> None:
    for folder in "ab":
        (tmp_path / folder).mkdir()
    with pytest.raises(BadParameter):
        run(ready, tmp_path / "a", parameters={"no_such_parameter": 1.0})
    for p in ready.engine.info.parameters[:1]:
        with pytest.raises(BadParameter) as refused:
            run(ready, tmp_path / "b", parameters={p.name: value})
        assert p.name in str(refused.value) and refused.value.hint


def test_a_parameter_is_read_as_a_person_types_it(ready: Ready) -> None:
    info = ready.engine.info
    for p in info.parameters:
        text = p.default if isinstance(p, Choice) else f"{p.default:g}"
        assert info.settle({p.name: info.read(p.name, text)})[p.name] == p.default
        if isinstance(p, Parameter):
            with pytest.raises(BadParameter, match="not a number"):
                info.read(p.name, "much")
    with pytest.raises(BadParameter, match="no parameter"):
        info.read("no_such_parameter", "1")


def test_an_unknown_engine_is_named_in_the_refusal() -> None:
    with pytest.raises(BadParameter, match="wizard"):
        load_engine("wizard")
    with pytest.raises(BadParameter, match="takes no model"):
        load_engine("diffusion", Path("/a/model"))
