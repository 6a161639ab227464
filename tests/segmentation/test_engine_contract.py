"""Every engine keeps the contract of core.segmentation.engine."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import BadInput, BadParameter
from core.segmentation.engine import ENGINES, Engine, load_engine
from tests.segmentation.heads import pair, sick


@pytest.fixture(params=sorted(ENGINES))
def engine(request: pytest.FixtureRequest) -> Engine:
    return load_engine(request.param)


def ignore(phase: str, done: float) -> None:
    """For tests that do not watch."""


def test_its_description_is_complete(engine: Engine) -> None:
    info = engine.info
    assert info.name in ENGINES
    assert info.label and info.version and info.validated and info.failures and info.inputs
    assert len({p.name for p in info.parameters}) == len(info.parameters)
    assert all(p.low <= p.default <= p.high and p.step > 0 and p.help for p in info.parameters)
    assert 0 < info.predict_memory_mb(1_000_000) < info.predict_memory_mb(22_000_000) < 1200
    assert 0 < info.predict_seconds(1_000_000) < info.predict_seconds(22_000_000)


def test_it_segments_on_the_grid_of_its_first_input_and_says_how_far_it_is(engine: Engine) -> None:
    inputs = pair(sick())
    kept = {name: volume.data.copy() for name, volume in inputs.items()}
    heard: list[tuple[str, float]] = []
    found = engine.segment(inputs, {}, lambda phase, done: heard.append((phase, done)))
    first = inputs[engine.info.inputs[0]]
    assert found.mask.data.shape == first.data.shape
    np.testing.assert_array_equal(found.mask.affine, first.affine)
    fractions = [done for _, done in heard]
    assert fractions == sorted(fractions) and fractions[0] >= 0 and fractions[-1] <= 1 and len(heard) >= 2
    if found.probability is not None:
        assert found.probability.dtype == np.float32 and found.probability.shape == first.data.shape
        assert found.probability.min() >= 0 and found.probability.max() <= 1
        np.testing.assert_array_equal(found.probability >= 0.5, found.mask.data)
    if found.core is not None:
        assert not (found.core.data & ~found.mask.data).any()
    assert all(sentence.endswith(".") for sentence in found.warnings)
    for name, volume in inputs.items():
        np.testing.assert_array_equal(volume.data, kept[name])


def test_it_gives_the_same_answer_twice(engine: Engine) -> None:
    one, two = (engine.segment(pair(sick()), {}, ignore) for _ in range(2))
    np.testing.assert_array_equal(one.mask.data, two.mask.data)
    assert one.warnings == two.warnings
    if one.probability is not None and two.probability is not None:
        np.testing.assert_array_equal(one.probability, two.probability)


def test_it_refuses_without_one_of_its_inputs(engine: Engine) -> None:
    for missing in engine.info.inputs:
        inputs = {name: volume for name, volume in pair(sick()).items() if name != missing}
        with pytest.raises(BadInput) as refused:
            engine.segment(inputs, {}, ignore)
        assert missing.upper() in str(refused.value) and refused.value.hint


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e9, 1e9])
def test_it_refuses_parameters_that_are_unknown_or_out_of_range(engine: Engine, value: float) -> None:
    with pytest.raises(BadParameter):
        engine.segment(pair(sick()), {"no_such_parameter": 1.0}, ignore)
    with pytest.raises(BadParameter):
        engine.segment(pair(sick()), {engine.info.parameters[0].name: value}, ignore)


def test_an_unknown_engine_is_named_in_the_refusal() -> None:
    with pytest.raises(BadParameter, match="wizard"):
        load_engine("wizard")
