"""A model's config: what it may say, and that nothing else gets through."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadModel
from core.segmentation.engines.network_config import CONFIG_NAME, MAX_CONFIG, load_config, parse_config
from core.segmentation.engines.network_nets import ARCHITECTURES
from tests.segmentation.tiny_models import config, write_config

DOCS = Path(__file__).parents[2] / "docs" / "models.md"


def parse(**said: Any) -> Any:
    return parse_config(json.dumps(config(**said)).encode())


def changed(path: tuple[Any, ...], value: object) -> dict[str, Any]:
    """The config with one value replaced."""
    made: Any = json.loads(json.dumps(config()))
    here = made
    for key in path[:-1]:
        here = here[key]
    here[path[-1]] = value
    return dict(made)


def test_what_a_config_says_is_what_the_engine_gets() -> None:
    found = parse(spacing_mm=[2, 2, 3], threshold=0.4, mirror="sides", limits=["Not for CT"])
    assert found.modalities == ("dwi", "adc") and found.spacing_mm == (2, 2, 3) and found.threshold == 0.4
    assert found.arguments == {"init_filters": 8, "blocks_down": (1, 1), "blocks_up": (1,)} and found.stride == (
        2,
        2,
        2,
    )
    assert found.limits == ("Not for CT.",) and found.validated.startswith("Not validated")


def test_the_documented_examples_are_configs(tmp_path: Path) -> None:
    blocks = re.findall(r"```json\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)
    assert len(blocks) >= 2
    for block in blocks:
        (tmp_path / CONFIG_NAME).write_text(block, encoding="utf-8")
        assert load_config(tmp_path).licence


def test_the_documentation_names_every_network_and_each_of_its_arguments() -> None:
    said = DOCS.read_text(encoding="utf-8")
    for name, kind in ARCHITECTURES.items():
        row = next(line for line in said.splitlines() if line.startswith(f"| `{name}` "))
        assert all(f"`{argument}`" in row for argument in kind.arguments), name


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), 2, "format"),
        (("format",), True, "format"),
        (("name",), "", "name"),
        (("name",), "a\nb", "plain text"),
        (("name",), "x" * 5000, "name"),
        (("version",), "../1", "version"),
        (("weights", "file"), "../model.safetensors", "weights.file"),
        (("weights", "file"), "/etc/passwd", "weights.file"),
        (("weights", "file"), "a/b.safetensors", "weights.file"),
        (("weights", "file"), "model..safetensors", "weights.file"),
        (("weights", "file"), "model.pkl", "not one of"),
        (("weights", "file"), "model.onnx", "only an onnx network"),
        (("weights", "sha256"), "abc", "sha256"),
        (("weights", "url"), "https://example.org", "means nothing"),
        (("network", "name"), "FlexibleUNet", "not one of"),
        (("network", "name"), "os.system", "not one of"),
        (("network", "name"), ["UNet"], "not one of"),
        (("network", "_target_"), "builtins.eval", "means nothing"),
        (("network", "arguments", "init_filters"), 10**9, "whole number"),
        (("network", "arguments", "init_filters"), 8.0, "whole number"),
        (("network", "arguments", "spatial_dims"), 3, "means nothing"),
        (("network", "arguments", "act"), "__import__", "not one of"),
        (("network", "arguments", "act"), ["relu", {"inplace": True, "x": 1}], "means nothing"),
        (("network", "arguments", "norm"), ["group", {"num_groups": 3}], "evenly"),
        (("network", "arguments", "blocks_down"), [1] * 100, "list of"),
        (("network", "arguments", "blocks_up"), [1, 1], "one entry less"),
        (("channels",), [], "list of"),
        (("channels",), [{"modality": "dwi"}] * 17, "list of"),
        (("channels", 0, "modality"), "../dwi", "modality"),
        (("channels", 0, "adc_unit"), True, "for the ADC alone"),
        (("channels", 0, "normalise"), {"method": "eval"}, "not one of"),
        (("channels", 0, "normalise"), {"method": "range", "low": 5, "high": 5}, "not above"),
        (("channels", 0, "normalise"), {"method": "percentile", "low": -1, "high": 99}, "number from 0"),
        (("channels", 0, "normalise"), {"method": "shift", "mean": 0, "deviation": 0}, "deviation"),
        (("channels", 0, "normalise"), {"method": "zscore", "low": 1}, "means nothing"),
        (("orientation",), "RAR", "three letters"),
        (("orientation",), "RASS", "three letters"),
        (("spacing_mm",), [2, 2], "list of 3"),
        (("spacing_mm",), [1e-9, 2, 2], "spacing_mm"),
        (("patch",), [33, 32, 32], "multiple of 2"),
        (("patch",), [100000, 32, 32], "patch"),
        (("patch",), [-2, 32, 32], "patch"),
        (("overlap",), 1.0, "overlap"),
        (("threshold",), 0, "threshold"),
        (("mirror",), "often", "not one of"),
        (("output", "activation"), "tanh", "not one of"),
        (("output", "lesion"), 3, "output.lesion"),
        (("output",), {"activation": "softmax", "channels": 1}, "output.channels"),
        (("extra",), 1, "means nothing"),
    ],
)
def test_a_config_that_says_something_else_is_refused_where_it_does(
    path: tuple[Any, ...], value: object, words: str
) -> None:
    with pytest.raises(BadModel) as refused:
        parse_config(json.dumps(changed(path, value)).encode())
    assert words in str(refused.value) and refused.value.hint and len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[]", "not an object"),
        (b"[" * 100_000, "deeper"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "deeper"),
        (b" " * (MAX_CONFIG + 1), "longer"),
        (b'{"threshold": NaN}', "no number"),
        (b'{"threshold": -Infinity}', "no number"),
        (b'{"name": "a", "name": "b"}', "twice"),
        (b"1" * 10_000, "not JSON"),
    ],
)
def test_a_file_that_is_no_config_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadModel, match=words):
        parse_config(data)


def test_numbers_beyond_floats_are_refused_like_others() -> None:
    with pytest.raises(BadModel, match="threshold"):
        parse_config(json.dumps(config()).replace('"patch"', '"threshold": 1e999, "patch"').encode())


@pytest.mark.parametrize("needed", ["format", "name", "licence", "citation", "weights", "network", "channels", "patch"])
def test_what_is_needed_is_asked_for(needed: str) -> None:
    said = config()
    del said[needed]
    with pytest.raises(BadModel, match=f"does not say '{needed}'"):
        parse_config(json.dumps(said).encode())


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(LEAVES, lambda v: st.lists(v, max_size=4) | st.dictionaries(st.text(max_size=8), v, max_size=4))
PLACES = [("network", "arguments"), ("channels",), ("output",), ("patch",), ("weights",), ("name",), ("spacing_mm",)]


@given(st.sampled_from(PLACES), VALUES)
def test_whatever_stands_in_a_config_it_is_read_or_refused(path: tuple[Any, ...], value: object) -> None:
    try:
        parse_config(json.dumps(changed(path, value)).encode())
    except BadModel as error:
        assert error.hint


def test_a_monai_bundle_and_a_folder_without_config_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{}")
    with pytest.raises(BadModel, match="MONAI bundle") as refused:
        load_config(tmp_path)
    assert "safetensors" in refused.value.hint
    write_config(tmp_path / "good", config())
    assert load_config(tmp_path / "good").name == "Tiny"
