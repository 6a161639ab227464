"""The network engine: other people's models, from a folder to a mask on the image's own grid."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from core.errors import BadInput, BadModel
from core.imaging import nifti
from core.imaging.volume import Volume
from core.segmentation.engine import Segmentation, load_engine
from core.segmentation.engines.network import EINOPS, Network, mirror_axes, open_engine
from core.segmentation.engines.network_config import load_config, parse_config
from core.segmentation.engines.network_nets import ARCHITECTURES
from core.segmentation.engines.network_predict import load_network
from core.segmentation.engines.network_windows import window_of
from core.segmentation.job import Job
from core.segmentation.runner import run_job
from tests.segmentation.engines import stored
from tests.segmentation.heads import dice, pair, sick
from tests.segmentation.tiny_models import arguments_of, config, network_of, onnx_model, torch_model, write_config

ARGUMENTS: dict[str, dict[str, Any]] = {
    "UNet": {"channels": [4, 8, 16], "strides": [2, [2, 2, 2]], "num_res_units": 1, "norm": "batch"},
    "AttentionUnet": {"channels": [4, 8, 16], "strides": [2, 2]},
    "DynUNet": {"kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 8, 16],
                "deep_supervision": True},
    "SegResNet": {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1], "norm": ["group", {"num_groups": 4}]},
    "UNETR": {"feature_size": 4, "hidden_size": 24, "mlp_dim": 24, "num_heads": 2},
    "SwinUNETR": {"feature_size": 12, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 4]},
    "VNet": {"act": "relu"},
    "BasicUNet": {"features": [4, 4, 8, 8, 16, 4]},
}  # fmt: skip


def run(engine: Network, folder: Path, **parameters: float | str) -> Segmentation:
    folder.mkdir(exist_ok=True)
    engine = dataclasses.replace(engine, threads=1)  # two would wait for each other on a busy machine
    return engine.segment(stored(pair(sick()), folder), parameters, lambda name, done: None, folder)


@pytest.mark.parametrize("name", sorted(ARCHITECTURES))
def test_each_allowed_network_is_built_loaded_and_answers_as_monais(tmp_path: Path, name: str) -> None:
    if name in EINOPS and find_spec("einops") is None:
        pytest.skip("einops is not installed")
    window = (64, 32, 32) if name == "SwinUNETR" else (32, 32, 32)
    said = {"network": {"name": name, "arguments": ARGUMENTS[name]}, "patch": list(window)}
    folder = torch_model(tmp_path / "m", 1, **said)
    torch.set_num_threads(1)
    theirs = network_of(config(**said), 1)
    described = load_config(folder)
    ours = load_network(described, folder / "model.safetensors", window)
    image = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 2, *window), np.float32))
    with torch.inference_mode():
        answer, expected = ours(image), theirs(image)
    assert answer.shape == (1, 1, *window) and all(side % 2 == 0 for side in described.stride)
    torch.testing.assert_close(answer, expected[0] if isinstance(expected, list | tuple) else expected)


NEEDS_TWO = {
    "UNet": {"channels": [4, 8, 8], "strides": [2, 2]},
    "DynUNet": {**ARGUMENTS["DynUNet"], "deep_supervision": False},
    "SegResNet": {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1], "norm": "instance"},
    "BasicUNet": {"features": [4, 4, 4, 4, 4, 4]},
}


@pytest.mark.parametrize("name", sorted(NEEDS_TWO))
def test_a_window_that_leaves_one_voxel_for_an_instance_norm_is_refused_and_the_next_larger_one_works(
    tmp_path: Path, name: str
) -> None:
    network = {"name": name, "arguments": NEEDS_TWO[name]}
    side = ARCHITECTURES[name].stride(arguments_of({"network": network}))[0]
    with pytest.raises(BadModel, match="one voxel at its deepest level") as refused:
        parse_config(json.dumps(config(network=network, patch=[side] * 3)).encode())
    assert f"{2 * side} or more" in str(refused.value)
    described = parse_config(json.dumps(config(network=network, patch=[side, side, 0])).encode())
    window = window_of(described.patch, (side, side, 1), described.stride, described.spread)
    assert window == (side, side, 2 * side)
    made = network_of(config(network=network, patch=list(window)))
    with torch.inference_mode():
        assert made(torch.ones(1, 2, *window)).shape == (1, 1, *window)
    with torch.inference_mode(), pytest.raises(ValueError, match="more than 1 spatial element"):
        made(torch.ones(1, 2, side, side, side))


def test_a_model_finds_what_it_was_made_for_on_the_images_own_grid(tmp_path: Path) -> None:
    folder = onnx_model(tmp_path / "m", bias=-7.0, spacing_mm=[3, 3, 3])
    found = run(open_engine(folder), tmp_path / "case")
    assert dice(found.mask.data, sick().lesion.data) > 0.5
    assert found.notes["device"] == "cpu" and found.adc_scale == 1.0 and found.threshold == 0.5
    lower = run(open_engine(folder), tmp_path / "case", threshold=0.1)
    assert lower.mask.volume_ml > found.mask.volume_ml and lower.threshold == 0.1


def test_the_answer_is_the_same_however_the_model_turns_its_axes(tmp_path: Path) -> None:
    one = run(open_engine(onnx_model(tmp_path / "a", spacing_mm=None, patch=[0, 0, 0])), tmp_path / "case")
    two = run(open_engine(onnx_model(tmp_path / "b", spacing_mm=None, orientation="SPL")), tmp_path / "case")
    assert one.probability is not None and two.probability is not None
    np.testing.assert_allclose(one.probability, two.probability, atol=1 / 254)


def test_mirror_averaging_and_overlap_change_a_networks_answer_a_little(tmp_path: Path) -> None:
    engine = open_engine(torch_model(tmp_path / "m", spacing_mm=[8, 8, 8], overlap=0))
    plain, mirrored = (run(engine, tmp_path / "case", mirror=word) for word in ("off", "sides"))
    assert plain.probability is not None and mirrored.probability is not None
    gap = np.abs(plain.probability - mirrored.probability)
    assert 0 < float(gap.max()) < 0.5
    assert mirror_axes("sides", "PIR") == (2,) and mirror_axes("all", "RAS") == (0, 1, 2)


def test_a_job_runs_in_a_worker_with_its_model_and_tells_of_it(tmp_path: Path) -> None:
    folder = onnx_model(tmp_path / "m", bias=-7.0)
    (tmp_path / "in").mkdir()
    inputs = {name: image.path for name, image in stored(pair(sick()), tmp_path / "in").items()}
    job = Job("j1", "sub-x", "network", inputs, {"threshold": 0.4}, tmp_path / "out", "sample", model=folder)
    heard: list[str] = []
    result = run_job(job, lambda name, done: heard.append(name), lambda: False)
    info = load_engine("network", folder).info
    assert result.engine == "network" and result.engine_version == info.version
    assert any(name.startswith("Window 1 of") for name in heard)
    said = (tmp_path / "out" / result.sidecar.name).read_text(encoding="utf-8")
    assert str(tmp_path) not in said and json.loads(said)["GeneratedBy"]["Version"] == info.version
    mask = nifti.read_mask(result.mask)
    assert mask.volume_ml == pytest.approx(result.volume_ml) and result.volume_ml > 0


def test_the_version_follows_from_the_weights_and_the_config(tmp_path: Path) -> None:
    versions = [
        open_engine(torch_model(tmp_path / "a")).info.version,
        open_engine(torch_model(tmp_path / "b", seed=5)).info.version,
        open_engine(torch_model(tmp_path / "c", threshold=0.3)).info.version,
    ]
    assert len(set(versions)) == 3 and all(version.startswith("1.0+") for version in versions)
    assert versions[0].split(".")[1] == versions[2].split(".")[1] != versions[1].split(".")[1]
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    assert open_engine(tmp_path / "copy").info.version == versions[0]


def test_weights_that_are_not_the_networks_are_refused_with_the_first_difference(tmp_path: Path) -> None:
    folder = torch_model(tmp_path / "m")
    other = {"name": "SegResNet", "arguments": {"init_filters": 16, "blocks_down": [1, 1], "blocks_up": [1]}}
    write_config(folder, config(network=other))
    with pytest.raises(BadModel, match=r"does not fit .* is \(8, 2, 3, 3, 3\) and should be \(16, 2, 3, 3, 3\)"):
        run(open_engine(folder), tmp_path / "case")
    write_config(folder, config())
    tensors = network_of(config()).state_dict()
    first = next(iter(tensors))
    save_file({name: t for name, t in tensors.items() if name != first}, folder / "model.safetensors")
    with pytest.raises(BadModel, match="1 missing, 0 too many"):
        run(open_engine(folder), tmp_path / "case")


def test_a_state_dict_of_a_wrapped_network_in_half_precision_is_taken(tmp_path: Path) -> None:
    said = config(weights={"file": "model.pt"})
    folder = write_config(tmp_path / "m", said)
    network = network_of(said)
    torch.save({f"module.{n}": t.half() for n, t in network.state_dict().items()}, folder / "model.pt")
    ours = load_network(load_config(folder), folder / "model.pt", (32, 32, 32))
    for name, tensor in ours.state_dict().items():
        torch.testing.assert_close(tensor, network.state_dict()[name].half().float())


def test_files_that_contradict_their_config_are_refused_when_the_engine_is_opened(tmp_path: Path) -> None:
    folder = torch_model(tmp_path / "a", weights={"file": "model.safetensors", "sha256": "0" * 64})
    with pytest.raises(BadModel, match="sha256"):
        open_engine(folder)
    folder = onnx_model(tmp_path / "b")
    shutil.copy(torch_model(tmp_path / "c") / "model.safetensors", folder / "model.onnx")
    with pytest.raises(BadModel, match="the config names onnx"):
        open_engine(folder)


def test_an_onnx_file_with_other_channels_or_sides_is_refused(tmp_path: Path) -> None:
    folder = onnx_model(tmp_path / "m", channels=[{"modality": "dwi"}])
    with pytest.raises(BadModel, match=r"takes float32 \(1, 2, '\?', '\?', '\?'\), the config says"):
        run(open_engine(folder), tmp_path / "case")


def test_a_networks_answer_that_is_no_number_is_an_error_and_no_empty_mask(tmp_path: Path) -> None:
    folder = onnx_model(tmp_path / "m", bias=float("nan"))
    with pytest.raises(BadModel, match="not a number"):
        run(open_engine(folder), tmp_path / "case")


def test_an_image_of_another_place_is_the_engines_own_error(tmp_path: Path) -> None:
    images = pair(sick())
    away = images["adc"].affine.copy()
    away[:3, 3] += 4000
    inputs = stored({**images, "adc": Volume(images["adc"].data, away)}, tmp_path)
    with pytest.raises(BadInput, match="ADC"):
        open_engine(onnx_model(tmp_path / "m")).segment(inputs, {}, lambda name, done: None, tmp_path)


def test_needs_grow_with_the_image_the_window_and_the_network(tmp_path: Path) -> None:
    small = open_engine(torch_model(tmp_path / "a"))
    large = open_engine(torch_model(tmp_path / "b", patch=[96, 96, 96]))
    assert small.needs(10**6, {}).memory_mb < large.needs(10**6, {}).memory_mb
    assert small.needs(10**6, {}).memory_mb < small.needs(26 * 10**6, {}).memory_mb
    assert small.needs(10**6, {"mirror": "all"}).seconds > small.needs(10**6, {}).seconds
    assert small.needs(10**6, {"overlap": 0.75}).seconds > small.needs(10**6, {}).seconds


def test_a_model_is_described_without_loading_what_computes_it(tmp_path: Path) -> None:
    folder = torch_model(tmp_path / "m")
    code = "import sys; from pathlib import Path; from core.segmentation.engine import load_engine; "
    code += "e = load_engine('network', Path(sys.argv[1])); e.info; e.needs(10**6, {}); e.missing(); "
    code += "print([n for n in ('torch', 'monai', 'onnxruntime', 'safetensors') if n in sys.modules])"
    root = str(Path(__file__).parents[2])
    run_it = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, cwd=root, check=True
    )
    assert run_it.stdout.strip() == "[]"
