"""One image file, whatever its bytes: an answer, and never an exception."""

from __future__ import annotations

import tempfile
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PublishCancelled
from core.publish.codes import RULES
from core.publish.look import Look, Want, look
from core.publish.rows import FileRef
from tests.publish.trees import image, packed

NAME = "sub-01_T1w.nii.gz"
RAW = image(4, (9, 10, 11))


def see(data: bytes, name: str = NAME, whole: bool = True) -> Look:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / name
        place.write_bytes(data)
        found = place.stat()
        return look(place, Want(FileRef(name, found.st_size, found.st_mtime_ns), whole, head=True), lambda _: None)


def test_a_sound_image_gives_its_header_and_the_sum_of_its_voxels() -> None:
    for data, name in ((packed(RAW), NAME), (RAW, "a.nii"), (packed(RAW[:400]) + packed(RAW[400:]), NAME)):
        seen = see(data, name)
        assert seen.header is not None and seen.header.shape == (9, 10, 11)
        assert seen.voxels == zlib.crc32(RAW[352:])
        assert {one.code for one in seen.troubles} <= {"face-unclear"}


def test_only_the_header_is_read_when_only_that_is_wanted() -> None:
    big = image(1, (64, 64, 64))
    data = packed(big)
    seen = see(data[: len(data) // 2], whole=False)
    assert seen.header is not None and seen.voxels is None and seen.troubles == ()
    assert [one.code for one in see(data[: len(data) // 2]).troubles] == ["image-damaged"]


def test_an_image_that_is_all_alike_has_no_sum() -> None:
    assert see(packed(image(voxels=np.zeros((8, 8, 8))))).voxels is None
    assert see(packed(image(voxels=np.full((8, 8, 8), 3), dtype="uint8"))).voxels is None
    assert see(packed(image(voxels=np.arange(512).reshape(8, 8, 8)))).voxels is not None


def test_a_file_of_another_size_or_time_is_not_read(tmp_path: Path) -> None:
    place = tmp_path / NAME
    place.write_bytes(packed(RAW))
    found = place.stat()
    for ref in (
        FileRef(NAME, found.st_size + 1, found.st_mtime_ns),
        FileRef(NAME, found.st_size, found.st_mtime_ns - 1),
    ):
        assert [one.code for one in look(place, Want(ref), lambda _: None).troubles] == ["file-changed"]


def test_whoever_counts_the_bytes_can_stop_it(tmp_path: Path) -> None:
    place = tmp_path / NAME
    place.write_bytes(packed(RAW))
    found = place.stat()

    def stop(_: int) -> None:
        raise PublishCancelled("stopped", hint="go on")

    with pytest.raises(PublishCancelled):
        look(place, Want(FileRef(NAME, found.st_size, found.st_mtime_ns)), stop)


@settings(max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=6))
def test_no_header_breaks_it(changes: list[tuple[int, int]]) -> None:
    raw = bytearray(RAW)
    for at, value in changes:
        raw[at] = value
    seen = see(packed(bytes(raw)))
    assert all(one.code in RULES for one in seen.troubles)
    assert seen.header is not None or seen.troubles


@settings(max_examples=40)
@given(st.binary(max_size=900), st.booleans())
def test_no_bytes_break_it(data: bytes, zipped: bool) -> None:
    seen = see(packed(data) if zipped else data)
    assert seen.header is None and seen.troubles


@settings(max_examples=40)
@given(st.integers(0, len(RAW) - 1), st.integers(0, 4_000))
def test_a_shorter_image_is_always_found(end: int, extra: int) -> None:
    assert any(RULES[one.code].severity == "error" for one in see(packed(RAW[:end])).troubles)
    longer = [one.detail for one in see(packed(RAW + bytes(extra + 1))).troubles if one.code == "image-damaged"]
    assert longer == ["the file is longer than its header promises"]


@pytest.mark.parametrize("order", "<>")
def test_nifti_2_is_an_error_as_no_reader_of_the_dataset_could_decode_it(order: str) -> None:
    header = nib.Nifti2Image.header_class(endianness=order)  # type: ignore[no-untyped-call]
    second = nib.Nifti2Image(np.arange(8.0).reshape(2, 2, 2), np.eye(4), header)  # type: ignore[no-untyped-call]
    for data, name in ((second.to_bytes(), "a.nii"), (packed(second.to_bytes()), NAME)):
        (one,) = [one for one in see(data, name).troubles if one.code == "nifti-2"]
        assert RULES[one.code].severity == "error" and one.path == name
