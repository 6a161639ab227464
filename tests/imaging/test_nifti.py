"""NIfTI in and out: real files, every grid that scanners make, and every way to be broken."""

from __future__ import annotations

import errno
import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import BadVolume, DiskFull, GridMismatch
from core.imaging import nifti
from core.imaging.stream import beside
from core.imaging.volume import Mask, Volume
from tests.imaging.grids import affine_of
from tests.real_case import real_case

SHAPE = (7, 6, 5)
GRIDS = {
    "RAS": affine_of("RAS"),
    "LAS": affine_of("LAS", origin=(90, -120, -60)),
    "PSR": affine_of("PSR"),
    "thick": affine_of("LAS", spacing=(0.43, 0.44, 5.0)),
    "oblique": affine_of("LAS", spacing=(0.383, 0.383, 2.0), turn=(14, 3, -6), origin=(101.5, -80, 12)),
}


def save(path: Path, data: Any, affine: Any, edit: Callable[[Any], None] | None = None, kind: Any = None) -> Path:
    """A file as other programs write it: both forms set, codes 2 and 1 as in real cases."""
    image = (kind or nib.Nifti1Image)(data, affine)
    image.set_qform(affine, 2)
    image.set_sform(affine, 1)
    image.header.set_xyzt_units("mm", "sec")
    if edit:
        edit(image.header)
    nib.save(image, path)
    return path


def numbers(shape: tuple[int, ...] = SHAPE, dtype: str = "int16") -> Any:
    return np.random.default_rng(5).integers(0, 100, shape).astype(dtype)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
def test_reads_what_nibabel_reads(tmp_path: Path, grid: str, dtype: str) -> None:
    path = save(tmp_path / "a.nii.gz", numbers(dtype=dtype), GRIDS[grid])
    volume, header = nifti.read_volume(path, "HU"), nifti.read_header(path)
    expected = nib.load(path)
    assert np.array_equal(volume.data, np.asarray(expected.dataobj, dtype=np.float32)) and volume.unit == "HU"  # type: ignore[attr-defined]
    assert np.array_equal(volume.affine, expected.affine)  # type: ignore[attr-defined]
    assert (header.shape, header.dtype, header.raw_bytes) == (SHAPE, dtype, np.dtype(dtype).itemsize * 210)
    assert header.orientation == "".join(nib.aff2axcodes(expected.affine))  # type: ignore[attr-defined,no-untyped-call]
    assert (header.qform_code, header.sform_code, header.oriented) == (2, 1, True)
    nifti.check_file(path)


def test_plain_nifti2_and_big_endian_files_are_read(tmp_path: Path) -> None:
    data = numbers()
    plain = save(tmp_path / "a.nii", data, GRIDS["oblique"])
    second = save(tmp_path / "b.nii.gz", data, GRIDS["oblique"], kind=nib.Nifti2Image)
    swapped = tmp_path / "c.nii"
    header: Any = nib.Nifti1Header(endianness=">")  # type: ignore[no-untyped-call]
    header.set_data_dtype(">i2")
    nib.save(nib.Nifti1Image(data.astype(">i2"), GRIDS["oblique"], header), swapped)  # type: ignore[no-untyped-call]
    assert nifti.read_header(swapped).byteorder == ">"
    for path in (plain, second, swapped):
        assert np.array_equal(nifti.read_volume(path).data, data)


def test_scaling_is_applied_and_a_slope_of_zero_is_none(tmp_path: Path) -> None:
    def scaled(header: Any) -> None:
        header.set_slope_inter(0.5, -10)

    path = save(tmp_path / "a.nii.gz", numbers(), GRIDS["LAS"], scaled)
    expected = np.asarray(nib.load(path).dataobj, dtype=np.float32)  # type: ignore[attr-defined]
    assert nifti.read_header(path).slope == 0.5
    assert np.allclose(nifti.read_volume(path).data, expected, atol=1e-5)
    whole = bytearray(gzip.decompress(path.read_bytes()))
    whole[112:116] = bytes(4)
    (tmp_path / "zero.nii").write_bytes(whole)
    stored = np.frombuffer(bytes(whole[352:]), "<i2").reshape(SHAPE, order="F")
    assert np.array_equal(nifti.read_volume(tmp_path / "zero.nii").data, stored)


def test_values_that_are_not_finite_become_zero(tmp_path: Path) -> None:
    data = numbers(dtype="float64")
    data[0, 0, :4] = np.nan, np.inf, -np.inf, 1e300
    volume = nifti.read_volume(save(tmp_path / "a.nii.gz", data, GRIDS["RAS"]))
    assert np.array_equal(volume.data[0, 0, :4], [0, 0, 0, 0]) and volume.data[1, 1, 1] == data[1, 1, 1]


def test_one_volume_in_4d_is_3d_and_two_are_refused(tmp_path: Path) -> None:
    one = save(tmp_path / "one.nii.gz", numbers((*SHAPE, 1)), GRIDS["LAS"])
    two = save(tmp_path / "two.nii.gz", numbers((*SHAPE, 2)), GRIDS["LAS"])
    assert nifti.read_volume(one).data.shape == SHAPE and nifti.read_mask(one).data.shape == SHAPE
    assert (nifti.read_header(two).grid, nifti.read_header(two).volumes) == (SHAPE, 2)
    nifti.check_file(two)
    with pytest.raises(BadVolume, match="2 volumes"):
        nifti.read_volume(two)


def test_a_mask_is_what_lies_above_one_half(tmp_path: Path) -> None:
    data = np.zeros(SHAPE)
    data[0, 0, :5] = 0.4, 0.5, 0.6, 1, np.nan
    mask = nifti.read_mask(save(tmp_path / "a.nii.gz", data, GRIDS["RAS"]))
    assert mask.data[0, 0].tolist() == [False, False, True, True, False]


LIKES: dict[str, tuple[str, tuple[int, ...], str]] = {
    **{name: (name, SHAPE, "float64") for name in GRIDS},
    "4D": ("oblique", (*SHAPE, 1), "float32"),
    "scaled": ("LAS", SHAPE, "int16"),
}


@pytest.mark.parametrize("case", LIKES)
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_a_mask_comes_back_on_the_inputs_own_grid(tmp_path: Path, case: str, kind: Any) -> None:
    grid, shape, dtype = LIKES[case]
    scale = (lambda header: header.set_slope_inter(0.25, 3)) if case == "scaled" else None
    like = save(tmp_path / "dwi.nii.gz", numbers(shape, dtype), GRIDS[grid], scale, kind)
    volume = nifti.read_volume(like)
    mask = Mask(volume.data > np.median(volume.data), volume.affine)
    out = tmp_path / "mask.nii.gz"
    nifti.write_mask(mask, out, like)
    back = nifti.read_mask(out)
    source: Any = nib.load(like)
    written: Any = nib.load(out)
    assert np.array_equal(back.data, mask.data)
    for name in ("get_qform", "get_sform"):
        ours, theirs = (getattr(image, name)(coded=True) for image in (written, source))
        assert np.array_equal(ours[0], theirs[0]) and ours[1] == theirs[1]
    assert written.shape == SHAPE and written.get_data_dtype() == np.uint8
    assert written.header["xyzt_units"] == source.header["xyzt_units"]
    assert np.array_equal(written.affine, source.affine)
    assert type(written) is kind and np.isnan(written.header["scl_slope"])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dwi.nii.gz", "mask.nii.gz"]


def test_the_real_case_round_trips(tmp_path: Path) -> None:
    dwi, _ = real_case()
    volume = nifti.read_volume(dwi)
    nifti.write_mask(Mask(volume.data > 400, volume.affine), tmp_path / "m.nii.gz", dwi)
    header, like = nifti.read_header(tmp_path / "m.nii.gz"), nifti.read_header(dwi)
    assert np.array_equal(header.affine, like.affine) and header.orientation == like.orientation == "LAS"
    assert (header.qform_code, header.sform_code) == (like.qform_code, like.sform_code) == (2, 1)


def test_equal_masks_give_equal_bytes(tmp_path: Path) -> None:
    like = save(tmp_path / "dwi.nii.gz", numbers(), GRIDS["LAS"])
    mask = Mask(numbers() > 50, GRIDS["LAS"])
    for name in ("a.nii.gz", "b.nii.gz"):
        nifti.write_mask(mask, tmp_path / name, like)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_probabilities_and_labels(tmp_path: Path) -> None:
    like = save(tmp_path / "dwi.nii.gz", numbers(), GRIDS["oblique"])
    data = np.linspace(0, 1, 210, dtype=np.float32).reshape(SHAPE)
    nifti.write_probability(data, tmp_path / "p.nii.gz", like)
    assert np.abs(nifti.read_volume(tmp_path / "p.nii.gz").data - data).max() <= 0.5 / 255 + 1e-6
    assert nifti.read_header(tmp_path / "p.nii.gz").dtype == "uint8"
    labels = (numbers() % 4).astype(np.uint8)
    nifti.write_labels(labels, tmp_path / "l.nii.gz", like)
    assert np.array_equal(nifti.read_volume(tmp_path / "l.nii.gz").data, labels)
    for wrong in (data * 1.1, data - 0.1, np.full(SHAPE, np.nan, np.float32)):
        with pytest.raises(BadVolume, match="outside 0 to 1"):
            nifti.write_probability(wrong, tmp_path / "p.nii.gz", like)
    with pytest.raises(GridMismatch):
        nifti.write_labels(labels[1:], tmp_path / "l.nii.gz", like)


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("dtype", "step"), [("int16", None), ("int16", 0.5), ("uint16", 0.5), ("float32", None)])
def test_images_come_back_within_half_a_step(tmp_path: Path, grid: str, dtype: str, step: float | None) -> None:
    data = np.random.default_rng(1).normal(300, 40, SHAPE).astype(np.float32)
    path = tmp_path / "v.nii.gz"
    nifti.write_volume(Volume(data, GRIDS[grid]), path, dtype, "synthetic", step)
    header, back = nifti.read_header(path), nifti.read_volume(path)
    assert np.abs(back.data - data).max() <= (0.0 if dtype == "float32" else header.slope / 2 * 1.001)
    assert np.allclose(back.affine, GRIDS[grid], atol=1e-4) and header.description == "synthetic"
    assert (header.qform_code, header.sform_code) == (1, 1)


def test_a_sheared_affine_has_no_qform_and_comes_back(tmp_path: Path) -> None:
    affine = affine_of("RAS")
    affine[1, 2] = 1.0
    nifti.write_volume(Volume(np.ones(SHAPE, np.float32), affine), tmp_path / "v.nii.gz")
    header = nifti.read_header(tmp_path / "v.nii.gz")
    assert np.allclose(header.affine, affine) and (header.qform_code, header.sform_code) == (0, 1)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "v.nii.gz"
    volume = Volume(numbers(dtype="float32"), GRIDS["RAS"])
    nifti.write_volume(volume, path)
    before = path.read_bytes()
    with pytest.raises(BadVolume, match="do not fit"):
        nifti.write_volume(volume, path, "int16", step=1e-4)
    with pytest.raises(BadVolume):
        nifti.write_volume(volume, path, "complex64")
    with pytest.raises(BadVolume, match="cannot be written"):
        nifti.write_volume(volume, tmp_path / "no" / "v.nii.gz")
    with pytest.raises(DiskFull), beside(path) as part:
        part.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["v.nii.gz"]


def test_a_mask_of_another_grid_is_not_written(tmp_path: Path) -> None:
    like = save(tmp_path / "dwi.nii.gz", numbers(), GRIDS["LAS"])
    for mask in (Mask(numbers() > 5, GRIDS["RAS"]), Mask(numbers((7, 6, 4)) > 5, GRIDS["LAS"])):
        with pytest.raises(GridMismatch):
            nifti.write_mask(mask, tmp_path / "m.nii.gz", like)
    assert not (tmp_path / "m.nii.gz").exists()


DISK = nib.Nifti1Header.template_dtype


def _set(**fields: Any) -> Callable[[bytearray], None]:
    """Overwrite header fields by name, as no library would let us."""

    def change(raw: bytearray) -> None:
        header = np.frombuffer(raw, dtype=DISK, count=1)
        for name, value in fields.items():
            header[name][0] = value

    return change


FORMS = {f"srow_{row}": np.zeros(4) for row in "xyz"}
BROKEN: dict[str, tuple[Callable[[bytearray], None], str]] = {
    "not NIfTI": (lambda raw: raw.__setitem__(slice(0, 4), b"\x00\x01\x02\x03"), "not a NIfTI"),
    "header and image apart": (_set(magic=b"ni1"), "single-file"),
    "no dimensions": (_set(dim=[0] * 8), "dimensions"),
    "two dimensions": (_set(dim=[2, 7, 6, 1, 1, 1, 1, 1]), "dimensions"),
    "nine dimensions": (_set(dim=[9, 7, 6, 5, 1, 1, 1, 1]), "dimensions"),
    "negative dimension": (_set(dim=[3, 7, -6, 5, 1, 1, 1, 1]), "dimensions"),
    "huge dimensions": (_set(dim=[5, 32767, 32767, 32767, 32767, 9, 1, 1]), "dimensions"),
    "more voxels than bytes": (_set(dim=[3, 700, 600, 500, 1, 1, 1, 1]), "shorter"),
    "fewer voxels than bytes": (_set(dim=[3, 7, 6, 4, 1, 1, 1, 1]), "longer"),
    "unknown type": (_set(datatype=4711), "type"),
    "complex": (_set(datatype=32), "grey"),
    "colour": (_set(datatype=128), "grey"),
    "voxels in the header": (_set(vox_offset=100), "impossible place"),
    "voxels nowhere": (_set(vox_offset=np.nan), "impossible place"),
    "voxels at half a byte": (_set(vox_offset=352.5), "impossible place"),
    "affine not finite": (_set(srow_x=[np.nan, 0, 0, 0]), "affine"),
    "affine flat": (_set(**FORMS), "flat"),
    "voxels of a kilometre": (_set(srow_x=[-1e6, 0, 0, 0]), "voxel sizes"),
    "in metres": (_set(xyzt_units=1), "metres"),
    "qform alone and no rotation": (_set(sform_code=0, quatern_b=3), "rotation"),
    "left here, right there": (_set(srow_x=[2, 0, 0, 0]), "contradict"),
    "scaled by nothing": (_set(scl_slope=2, scl_inter=np.nan), "scales"),
}


@pytest.mark.parametrize("case", BROKEN)
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_broken_headers_are_one_clear_error(tmp_path: Path, case: str, name: str) -> None:
    change, words = BROKEN[case]
    raw = bytearray(gzip.decompress(save(tmp_path / "whole.nii.gz", numbers(), GRIDS["LAS"]).read_bytes()))
    change(raw)
    path = tmp_path / name
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    for read in (nifti.check_file, nifti.read_volume, nifti.read_mask):
        with pytest.raises(BadVolume, match=words) as caught:
            read(path)
        assert caught.value.hint


def test_files_that_are_no_files(tmp_path: Path) -> None:
    (tmp_path / "empty.nii.gz").write_bytes(b"")
    (tmp_path / "page.nii.gz").write_text("<html>" * 200)
    (tmp_path / "magic.nii.gz").write_bytes(b"\x1f\x8b")
    for name in ("empty.nii.gz", "page.nii.gz", "magic.nii.gz", "absent.nii.gz", "."):
        with pytest.raises(BadVolume):
            nifti.read_header(tmp_path / name)


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = save(tmp_path_factory.mktemp("damage") / "a.nii.gz", numbers(), GRIDS["LAS"])
    return path.with_name("damaged.nii.gz"), path.read_bytes()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(cut=st.integers(0, 10_000))
def test_a_cut_file_is_never_read(packed: tuple[Path, bytes], cut: int) -> None:
    path, whole = packed
    path.write_bytes(whole[: cut % len(whole)])
    with pytest.raises(BadVolume):
        nifti.read_volume(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(place=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_damaged_file_is_refused_or_read_right(packed: tuple[Path, bytes], place: int, flip: int) -> None:
    path, whole = packed
    damaged = bytearray(whole)
    damaged[place % len(whole)] ^= flip
    path.write_bytes(damaged)
    try:
        nifti.check_file(path)
        data = nifti.read_volume(path).data
    except BadVolume:
        return
    assert np.array_equal(data, numbers())  # only gzip's own name and time may differ unnoticed


def test_a_file_without_orientation_says_so(tmp_path: Path) -> None:
    raw = bytearray(gzip.decompress(save(tmp_path / "a.nii.gz", numbers(), GRIDS["LAS"]).read_bytes()))
    _set(qform_code=0, sform_code=0)(raw)
    (tmp_path / "b.nii").write_bytes(raw)
    header = nifti.read_header(tmp_path / "b.nii")
    assert not header.oriented and header.spacing_mm == (2, 2, 2)


def test_reading_needs_little_more_memory_than_the_result(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", np.zeros((160, 160, 80)), GRIDS["LAS"])  # 16 MB on disk's terms, 8 MB as float32
    nifti.read_header(path)
    tracemalloc.start()
    try:
        volume = nifti.read_volume(path)
        peak = tracemalloc.get_traced_memory()[1]
        del volume
        tracemalloc.reset_peak()
        nifti.check_file(path)
        checking = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 * 160 * 160 * 80 + 8e6 and checking < 8e6
