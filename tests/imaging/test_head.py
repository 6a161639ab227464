"""Headers from the first bytes of a file, and orientations that are not numbers."""

from __future__ import annotations

import dataclasses
import gzip
import io
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadVolume
from core.imaging.header import Header, settle_affine
from core.imaging.nifti import HEAD_BYTES, parse_head, promised_bytes, read_header, read_mask
from core.imaging.stream import decoded_head
from tests.imaging.test_nifti import GRIDS, SHAPE, numbers, save
from tests.sources.contract import same_header

KINDS = {"NIfTI-1": nib.Nifti1Image, "NIfTI-2": nib.Nifti2Image}


def image(folder: Path, kind: Any, order: str, name: str, shape: tuple[int, ...] = SHAPE) -> Path:
    header: Any = kind.header_class(endianness=order)
    header.set_data_dtype(f"{order}i2")
    made = kind(numbers(shape).astype(f"{order}i2"), GRIDS["oblique"], header)
    made.header.set_xyzt_units("mm", "msec")
    if len(shape) > 3:
        made.header["pixdim"][4] = 1500
    nib.save(made, folder / name)
    return folder / name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_the_first_bytes_say_what_the_file_says(tmp_path: Path, kind: str, order: str, name: str) -> None:
    path = image(tmp_path, KINDS[kind], order, name, (*SHAPE, 9))
    whole, data = read_header(path), path.read_bytes()
    for length in (1200, 4096):
        same_header(parse_head(data[:length]), whole)
    decoded = gzip.decompress(data) if name.endswith(".gz") else data
    same_header(parse_head(decoded[:HEAD_BYTES]), whole)
    assert promised_bytes(data[:4096]) == promised_bytes(decoded[:HEAD_BYTES]) == len(decoded)
    assert (whole.byteorder, whole.step_s, whole.volumes) == (order, 1.5, 9)
    assert whole.volume_bytes == 2 * 7 * 6 * 5


def test_extensions_push_the_voxels_away_and_only_the_header_is_needed(tmp_path: Path) -> None:
    made: Any = nib.load(image(tmp_path, nib.Nifti1Image, "<", "a.nii.gz"))
    made.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"x" * 20_000))
    nib.save(made, tmp_path / "b.nii.gz")
    header = parse_head((tmp_path / "b.nii.gz").read_bytes()[:1000])
    assert header.vox_offset > 20_000
    same_header(header, read_header(tmp_path / "b.nii.gz"))


def test_a_long_name_in_front_of_a_gzip_needs_more_bytes() -> None:
    out = io.BytesIO()
    with gzip.GzipFile("n" * 5000, "wb", fileobj=out) as stream:
        stream.write(bytes(1000))
    assert decoded_head(out.getvalue()[:4096], HEAD_BYTES) == b""
    assert decoded_head(out.getvalue(), HEAD_BYTES) == bytes(HEAD_BYTES)


@given(st.binary(max_size=700), st.booleans())
def test_noise_is_no_header(noise: bytes, packed: bool) -> None:
    with pytest.raises(BadVolume):
        promised_bytes(gzip.compress(noise) if packed else noise)


@given(at=st.integers(0, 347), value=st.integers(0, 255))
def test_a_changed_byte_is_refused_or_a_sane_header(at: int, value: int) -> None:
    head = bytearray(HEAD)
    head[at] = value
    try:
        header = parse_head(bytes(head))
    except BadVolume:
        return
    assert min(header.shape) >= 1 and np.isfinite(header.affine).all() and header.raw_bytes <= 2**35
    assert promised_bytes(bytes(head)) == header.vox_offset + header.raw_bytes


def _plain_head() -> bytes:
    made: Any = nib.Nifti1Image(numbers(), GRIDS["LAS"])  # type: ignore[no-untyped-call]
    return bytes(made.to_bytes()[:HEAD_BYTES])


HEAD = _plain_head()


def test_a_step_is_known_only_of_a_series_that_gives_its_unit(tmp_path: Path) -> None:
    assert read_header(image(tmp_path, nib.Nifti1Image, "<", "a.nii")).step_s is None
    made: Any = nib.load(image(tmp_path, nib.Nifti1Image, "<", "b.nii", (*SHAPE, 2)))
    for units, step in ((("mm", "sec"), 1500.0), (("mm", "usec"), 0.0015), (("mm", "unknown"), None)):
        made.header.set_xyzt_units(*units)
        nib.save(made, tmp_path / "c.nii")
        found = read_header(tmp_path / "c.nii").step_s
        assert found is None if step is None else found == pytest.approx(step)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", [(0, 0), (2, 3)])
def test_an_orientation_that_is_not_finite_is_refused(bad: float, place: tuple[int, int]) -> None:
    good, broken = np.diag([2.0, 2, 2, 1]), np.diag([2.0, 2, 2, 1])
    broken[place] = bad
    for sform, qform in ((good, broken), (broken, good), (None, broken), (broken, None)):
        with pytest.raises(BadVolume):
            settle_affine(SHAPE, sform, qform, good)
    flat = np.diag([2.0, 2, 0, 1])  # a qform axis without a size points nowhere: the sform holds
    assert np.array_equal(settle_affine(SHAPE, good, flat, good), good)


def test_what_is_not_finite_is_no_lesion(tmp_path: Path) -> None:
    data = numbers(dtype="float32") * 0
    data[0, 0, :5] = np.inf, -np.inf, np.nan, 1, 0
    mask = read_mask(save(tmp_path / "a.nii.gz", data, GRIDS["RAS"]))
    assert mask.data[0, 0].tolist() == [False, False, False, True, False]


def test_every_field_is_compared() -> None:
    header = parse_head(HEAD)
    other = dataclasses.replace(header, slope=2.0)
    assert isinstance(other, Header)
    with pytest.raises(AssertionError):
        same_header(header, other)
