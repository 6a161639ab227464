"""Windows against MONAI's own sliding window, and the ladder of devices when memory ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from monai.data.utils import compute_importance_map, dense_patch_slices
from monai.inferers.utils import sliding_window_inference
from numpy.typing import NDArray

from core.errors import BadModel, EngineError
from core.segmentation.engines.network_predict import TorchPredictor
from core.segmentation.engines.network_run import Rung, infer, ladder
from core.segmentation.engines.network_windows import (
    Triple,
    flips,
    places,
    slide,
    slide_mirrored,
    starts,
    weights,
    window_of,
)

Floats = NDArray[np.float32]
SIDES = st.tuples(st.integers(3, 40), st.integers(3, 40), st.integers(3, 40))
WINDOWS = st.tuples(*[st.sampled_from([4, 8, 12, 16])] * 3)


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> None:
    """Two would wait for each other on a busy machine."""
    torch.set_num_threads(1)


def quiet(done: int, of: int) -> None:
    """For tests that do not watch."""


def image_of(shape: Triple, channels: int = 2, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal((channels, *shape), np.float32)


def position_aware(windows: Floats) -> Floats:
    """An answer that depends on where in its window a voxel lies, so that blending shows."""
    x = np.linspace(0, 1, windows.shape[2], dtype=np.float32)[:, None, None]
    return np.stack([windows[:, 0] * x, windows[:, 1] + x], axis=1)


def monai_way(image: Floats, window: Triple, overlap: float, predict: Callable[[Floats], Floats]) -> Floats:
    found = sliding_window_inference(
        torch.from_numpy(image)[None], window, 3, lambda w: torch.from_numpy(predict(w.numpy())), overlap, "gaussian"
    )
    return np.asarray(found[0].numpy(), dtype=np.float32)


@settings(deadline=None, max_examples=15)
@given(SIDES, WINDOWS, st.sampled_from([0.0, 0.25, 0.5, 0.7]))
def test_the_blend_is_monais(shape: Triple, window: Triple, overlap: float) -> None:
    image = image_of(shape)
    ours = slide(image, window, overlap, 1, position_aware, quiet)
    np.testing.assert_allclose(ours, monai_way(image, window, overlap, position_aware), atol=2e-5)


@settings(deadline=None, max_examples=20)
@given(WINDOWS)
def test_the_weights_are_monais(window: Triple) -> None:
    theirs = compute_importance_map(window, mode="gaussian").numpy()
    np.testing.assert_allclose(weights(window), theirs, rtol=1e-4)


@settings(deadline=None, max_examples=30)
@given(SIDES, WINDOWS, st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_windows_cover_every_voxel_and_lie_inside(shape: Triple, window: Triple, overlap: float) -> None:
    padded = tuple(max(n, w) for n, w in zip(shape, window, strict=True))
    seen = np.zeros(padded, np.bool_)
    for place in places(padded, window, overlap):
        assert seen[place].shape == window
        seen[place] = True
    assert seen.all()
    steps = [n if w == n else max(1, int(w * (1 - overlap))) for n, w in zip(padded, window, strict=True)]
    assert places(padded, window, overlap) == dense_patch_slices(padded, window, steps)


def test_an_axis_of_zero_is_taken_whole_and_made_a_multiple_of_the_stride() -> None:
    assert window_of((0, 16, 0), (73, 40, 64), (8, 8, 8)) == (80, 16, 64)
    assert starts(10, 16, 0.5) == (0,) and starts(16, 16, 0.5) == (0,) and starts(17, 16, 0.5) == (0, 1)


def test_several_windows_at_once_give_the_same_answer() -> None:
    image, window = image_of((30, 20, 20)), (16, 16, 16)
    told: list[tuple[int, int]] = []
    one = slide(image, window, 0.5, 1, position_aware, quiet)
    many = slide(image, window, 0.5, 5, position_aware, lambda done, of: told.append((done, of)))
    np.testing.assert_allclose(one, many, atol=1e-6)
    assert told == [(5, 12), (10, 12), (12, 12)]


def test_mirroring_averages_what_is_mirrored_back() -> None:
    image, window = image_of((16, 16, 16)), (16, 16, 16)
    assert list(flips((0, 2))) == [(), (0,), (2,), (0, 2)]
    found = slide_mirrored(image, window, 0, 1, position_aware, quiet, (0,))
    expected = np.stack([image[0] * 0.5, image[1] + 0.5])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(
        slide_mirrored(image, window, 0, 1, position_aware, quiet, ()),
        slide(image, window, 0, 1, position_aware, quiet),
    )


def test_a_network_that_answers_in_another_size_is_refused() -> None:
    with pytest.raises(BadModel, match="answers"):
        slide(image_of((16, 16, 16)), (16, 16, 16), 0.5, 1, lambda w: w[:, :, ::2], quiet)


class Device:
    """A device with room for so many voxels of windows at once; computes on the CPU."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error = room, error
        self.opened: list[Rung] = []
        self.closed = 0

    def open(self, rung: Rung) -> Opened:
        self.opened.append(rung)
        return Opened(self, rung)


class Opened:
    """A network on that device."""

    def __init__(self, device: Device, rung: Rung) -> None:
        self.device, self.rung = device, rung
        self.notes = {"device": rung.device}

    def __call__(self, windows: Floats) -> Floats:
        if self.rung.device == "cuda" and windows[:, 0].size > self.device.room:
            raise self.device.error
        return windows[:, :1] * 2

    def close(self) -> None:
        self.device.closed += 1


FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


@pytest.mark.parametrize(
    ("room", "device", "window", "batch", "words"),
    [
        (10**9, "cuda", (64, 64, 64), 4, ""),
        (64**3, "cuda", (64, 64, 64), 1, "one by one"),
        (64**3 - 1, "cuda", (32, 32, 32), 1, "windows of 32 × 32 × 32"),
        (100, "cpu", (64, 64, 64), 1, "the CPU was used"),
    ],
)
def test_when_a_gpus_memory_ends_less_is_tried_and_said(
    room: int, device: str, window: Triple, batch: int, words: str
) -> None:
    image, seam = image_of((80, 64, 64), 1), Device(room, FULL)
    rungs = ladder(True, (64, 64, 64), (8, 8, 8), True)
    answer = infer(image, rungs, seam.open, 0.25, (), quiet)
    assert answer.rung == Rung(device, window, batch) == seam.opened[-1] and answer.notes == {"device": device}
    assert (words in " ".join(answer.warnings)) and (len(answer.warnings) == (1 if words else 0))
    np.testing.assert_allclose(answer.data, image * 2, atol=1e-5)
    assert seam.closed == len(seam.opened)


def test_memory_that_ends_everywhere_is_a_memory_error_and_other_failures_are_told() -> None:
    image = image_of((16, 16, 16), 1)

    def fails(error: Exception) -> Callable[[Rung], Opened]:
        seam = Device(0, error)
        return lambda rung: Opened(seam, Rung("cuda", rung.window, rung.batch))

    rungs = ladder(False, (16, 16, 16), (1, 1, 1), True)
    assert [r.device for r in rungs] == ["cpu"]
    with pytest.raises(MemoryError):
        infer(image, rungs, fails(RuntimeError("DefaultCPUAllocator: can't allocate memory")), 0, (), quiet)
    with pytest.raises(EngineError, match="failed on the CPU"):
        infer(image, rungs, fails(ValueError("Expected more than 1 spatial element")), 0, (), quiet)


def test_a_gpu_that_fails_in_another_way_is_left_for_the_cpu() -> None:
    image, seam = image_of((64, 64, 64), 1), Device(0, RuntimeError("CUDA error: no kernel image is available"))
    answer = infer(image, ladder(True, (64, 64, 64), (8, 8, 8), True), seam.open, 0, (), quiet)
    assert [rung.device for rung in seam.opened] == ["cuda", "cpu"] and "The GPU failed" in answer.warnings[0]


def test_windows_get_no_smaller_than_a_network_can_use() -> None:
    assert [r.window for r in ladder(True, (96, 96, 40), (32, 32, 8), True)][2] == (32, 32, 32)
    assert len(ladder(True, (32, 32, 32), (32, 32, 32), True)) == 3
    assert len(ladder(True, (64, 64, 64), (32, 32, 32), True)) == 4
    assert len(ladder(True, (64, 64, 64), (32, 32, 32), True, spread=True)) == 3  # halves would be a stride each
    assert len(ladder(True, (96, 96, 96), (16, 16, 16), False)) == 3


def test_bfloat16_is_kept_only_where_the_mask_stays() -> None:
    steady, shaky = torch.nn.Conv3d(1, 1, 1), torch.nn.Conv3d(1, 1, 1)
    for network, bias in ((steady, 100.0), (shaky, -1.001)):
        torch.nn.init.constant_(network.weight, 1.0)
        assert network.bias is not None
        torch.nn.init.constant_(network.bias, bias)
    near = np.ones((1, 1, 8, 8, 8), np.float32) + np.linspace(0, 0.003, 512, dtype=np.float32).reshape(1, 1, 8, 8, 8)
    for network, word in ((steady, "bfloat16"), (shaky, "float32, as bfloat16 moved the mask")):
        made = TorchPredictor(network, "cpu", "bfloat16", 1, lambda device: True)
        made(near)
        assert made.notes["precision"] == word
