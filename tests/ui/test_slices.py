"""The static view: sides, proportions, what is drawn. Right and left are the point."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.errors import GridMismatch
from core.imaging.nifti import read_volume, write_labels, write_mask, write_volume
from core.imaging.volume import Mask, Volume
from core.ui.slices import AGREEMENT, load_sheet, montage_of, slice_of, to_screen, worth_showing

SIGNS = st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3)
TILT = np.array([[1, 0, 0], [0, 0.94, -0.34], [0, 0.34, 0.94]])  # a gantry tilt of 20 degrees


def affine_of(order: tuple[int, ...], signs: tuple[float, ...], tilt: bool) -> np.ndarray:
    """An affine whose stored axis i runs along anatomical axis order[i], 2, 3 and 4 mm apart."""
    turn = np.zeros((3, 3))
    for stored, (anatomical, sign, size) in enumerate(zip(order, signs, (2.0, 3.0, 4.0), strict=True)):
        turn[anatomical, stored] = sign * size
    affine = np.eye(4)
    affine[:3, :3] = TILT @ turn if tilt else turn
    return affine


@given(order=st.permutations([0, 1, 2]), signs=SIGNS, tilt=st.booleans())
def test_screen_axes_are_radiological_in_any_orientation(
    order: list[int], signs: tuple[float, float, float], tilt: bool
) -> None:
    affine = affine_of(tuple(order), signs, tilt)
    ijk = np.stack(np.meshgrid(*[np.arange(n) for n in (4, 5, 6)], indexing="ij"), -1)
    world = ijk @ affine[:3, :3].T  # RAS+ mm of each voxel
    screens = [to_screen(world[..., a].astype(np.float32), affine) for a in range(3)]
    right, front, up = (s.data for s in screens)
    assert (np.diff(front, axis=0) < 0).all()  # rows run to the back
    assert (np.diff(right, axis=1) < 0).all()  # columns run to the patient's left
    assert (np.diff(up, axis=2) > 0).all()
    steps = [np.linalg.norm([np.diff(w, axis=a).flat[0] for w in (right, front, up)]) for a in range(3)]
    assert np.allclose(steps, screens[0].spacing_mm, atol=1e-3)


def picture(figure: object) -> np.ndarray:
    """The pixels (rows, columns, 3) that a figure shows."""
    source = figure.data[0].source  # type: ignore[attr-defined]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))).convert("RGB"), dtype=int)


def files(folder: Path) -> tuple[Path, Path]:
    """A grey head in LAS with a bright, masked lesion on the patient's left, in slice 6 of 10."""
    affine = np.diag([-2.0, 2.0, 4.0, 1.0])
    affine[0, 3] = 40.0  # x from +40 mm (right) down to -38 mm (left)
    data = np.zeros((40, 50, 10), np.float32)
    data[5:35, 5:45, 1:9] = 100 + np.arange(30, dtype=np.float32)[:, None, None]
    inside = np.zeros(data.shape, bool)
    inside[28:32, 20:26, 6] = True  # i = 30 is x = -20 mm
    data[inside] = 300
    write_volume(Volume(data, affine), folder / "dwi.nii.gz", "float32")
    write_mask(Mask(inside, affine), folder / "mask.nii.gz", folder / "dwi.nii.gz")
    return folder / "dwi.nii.gz", folder / "mask.nii.gz"


def test_left_lesion_is_on_the_right_and_blue_only_with_its_mask(tmp_path: Path) -> None:
    image, mask = files(tmp_path)
    plain = picture(slice_of(load_sheet(image, window=(0, 300)), 6))
    assert (plain[..., 0] == plain[..., 2]).all()  # grey
    columns = np.argwhere(plain[..., 0] > 240)[:, 1]
    assert columns.size and columns.min() > plain.shape[1] * 0.55
    marked = picture(slice_of(load_sheet(image, mask, window=(0, 300)), 6))
    blue = np.argwhere(marked[..., 2] - marked[..., 0] > 40)
    assert blue.size and blue[:, 1].min() > marked.shape[1] * 0.55
    other = picture(slice_of(load_sheet(image, mask, window=(0, 300)), 3))
    assert (other[..., 2] == other[..., 0]).all()


def test_figure_names_both_sides_and_its_purpose(tmp_path: Path) -> None:
    image, mask = files(tmp_path)
    sheet = load_sheet(image, mask)
    for figure, slices in ((montage_of(sheet), len(worth_showing(sheet))), (slice_of(sheet, 3), 1)):
        height, width = picture(figure).shape[:2]
        told = figure.layout.annotations
        right, left = ([(a.x, a.y) for a in told if a.text == f"<b>{side}</b>"] for side in "RL")
        assert len(right) == len(left) == slices  # each slice has its own, in the picture's pixels
        assert {a.xref for a in told if a.text.startswith("<b>")} <= {None, "x"}
        assert all(one[0] < two[0] and one[1] == two[1] for one, two in zip(right, left, strict=True))
        assert min(x for x, _ in right) == 0 and max(x for x, _ in left) == width - 1
        assert all(0 < y < height for _, y in (*right, *left))
        assert any("Research use only" in a.text for a in told)
        assert len(figure.to_json()) < 100_000


def test_scale_is_applied_to_the_window_not_to_the_picture(tmp_path: Path) -> None:
    image, _ = files(tmp_path)
    assert (
        picture(slice_of(load_sheet(image, window=(0, 300_000), scale=1000), 6))
        == picture(slice_of(load_sheet(image, window=(0, 300)), 6))
    ).all()


def test_pixels_are_square_on_anisotropic_grids(tmp_path: Path) -> None:
    affine = np.diag([1.0, 3.0, 5.0, 1.0])
    write_volume(Volume(np.full((30, 20, 4), 9, np.float32), affine), tmp_path / "flat.nii.gz", "float32")
    shape = picture(slice_of(load_sheet(tmp_path / "flat.nii.gz", window=(0, 9)), 0)).shape
    assert shape[0] / shape[1] == pytest.approx(2.0, abs=0.1)


def test_empty_image_and_wild_index_still_give_a_picture(tmp_path: Path) -> None:
    write_volume(Volume(np.zeros((8, 8, 3), np.float32), np.eye(4)), tmp_path / "zero.nii.gz", "float32")
    assert picture(montage_of(load_sheet(tmp_path / "zero.nii.gz"))).max() == 0
    assert "3 of 3" in slice_of(load_sheet(tmp_path / "zero.nii.gz"), 99).layout.title.text


def test_mask_on_another_grid_is_refused(tmp_path: Path) -> None:
    image, _ = files(tmp_path)
    write_volume(Volume(np.zeros((8, 8, 3), np.float32), np.eye(4)), tmp_path / "zero.nii.gz", "uint8")
    with pytest.raises(GridMismatch, match="grid"):
        slice_of(load_sheet(image, tmp_path / "zero.nii.gz"), 0)


def test_agreement_has_three_colours(tmp_path: Path) -> None:
    image, _ = files(tmp_path)
    labels = np.zeros(read_volume(image).data.shape, np.uint8)
    labels[10:14, 20:26, 6], labels[16:20, 20:26, 6], labels[22:26, 20:26, 6] = 1, 2, 3
    write_labels(labels, tmp_path / "labels.nii.gz", image)
    seen = picture(slice_of(load_sheet(image, tmp_path / "labels.nii.gz", (0, 300), palette=AGREEMENT), 6)).astype(int)
    red, blue = seen[..., 0], seen[..., 2]
    assert (blue - red > 40).any()  # missed
    assert (red - blue > 40).any()  # only predicted


def test_an_adc_in_any_unit_looks_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    data = rng.uniform(600, 1200, (20, 20, 4)).astype(np.float32)
    write_volume(Volume(data, np.eye(4)), tmp_path / "a.nii.gz", "float32")
    write_volume(Volume(data / np.float32(1000), np.eye(4)), tmp_path / "b.nii.gz", "float32")
    first, second = (load_sheet(tmp_path / f"{n}.nii.gz", None, (0, 2000), "adc").grey for n in "ab")
    assert np.abs(first.astype(int) - second).max() <= 1
