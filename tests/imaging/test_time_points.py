"""One volume out of a 4D file: the stored values as they are, and nothing left behind when it fails."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any, Literal

import nibabel as nib
import numpy as np
import pytest

from core.errors import BadVolume, FetchCancelled
from core.imaging.nifti import check_file, read_header
from core.imaging.time_points import Series, time_point, time_point_path, time_points
from tests.imaging.test_nifti import GRIDS, SHAPE, numbers, save

Order = Literal["<", ">"]


def series(
    folder: Path, dtype: str = "int16", kind: Any = nib.Nifti1Image, order: Order = "<", name: str = "a"
) -> Path:
    def edit(header: Any) -> None:
        header.set_xyzt_units("mm", "sec")
        header["pixdim"][4] = 2
        header["scl_slope"], header["scl_inter"] = 0.5, -7
        header["descrip"] = b"perfusion"

    made: Any = kind(numbers((*SHAPE, 5), dtype).astype(np.dtype(dtype).newbyteorder(order)), GRIDS["oblique"])
    made.set_qform(GRIDS["oblique"], 2)
    made.set_sform(GRIDS["oblique"], 1)
    edit(made.header)
    nib.save(made, folder / f"{name}.nii.gz")
    return folder / f"{name}.nii.gz"


@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("index", [0, 3, 4])
def test_a_time_point_is_that_volume(tmp_path: Path, dtype: str, kind: Any, order: Order, index: int) -> None:
    path = series(tmp_path, dtype, kind, order)
    found = time_point(path, index, tmp_path / "out")
    one: Any = nib.load(found)
    whole: Any = nib.load(path)
    assert one.shape == SHAPE and type(one) is kind
    assert one.dataobj.get_unscaled().tobytes() == whole.dataobj.get_unscaled()[..., index].tobytes()
    assert np.array_equal(one.get_fdata(), whole.get_fdata()[..., index])
    for name in ("get_qform", "get_sform"):
        ours, theirs = (getattr(image, name)(coded=True) for image in (one, whole))
        assert np.array_equal(ours[0], theirs[0]) and ours[1] == theirs[1]
    header = read_header(found)
    assert (header.dtype, header.slope, header.inter, header.description) == (dtype, 0.5, -7, "perfusion")
    assert one.header["pixdim"].tolist() == whole.header["pixdim"].tolist()
    assert found == time_point_path(index, tmp_path / "out")


def test_the_same_again_gives_the_same_bytes_and_a_damaged_one_is_made_again(tmp_path: Path) -> None:
    path = series(tmp_path)
    first = time_point(path, 2, tmp_path / "out")
    content, made = first.read_bytes(), first.stat().st_mtime_ns
    assert time_point(path, 2, tmp_path / "out").stat().st_mtime_ns == made
    first.write_bytes(content[:-4])
    assert time_point(path, 2, tmp_path / "out").read_bytes() == content
    assert time_point(path, 2, tmp_path / "other").read_bytes() == content


def test_the_time_axis_names_itself(tmp_path: Path) -> None:
    found = time_points(read_header(series(tmp_path)))
    assert found == Series(5, 2.0) and found.default == 2
    assert Series(40, 2.0).label(6) == "time point 7 of 40, 12.0 s"
    assert Series(40, None).label(6) == "time point 7 of 40"
    still = save(tmp_path / "still.nii", numbers(), GRIDS["LAS"])
    assert time_points(read_header(still)) == Series(1, None)
    assert np.array_equal(nib.load(time_point(still, 0, tmp_path / "out")).dataobj, numbers())  # type: ignore[attr-defined]


@pytest.mark.parametrize("index", [-1, 5])
def test_a_time_point_that_is_not_there_is_told_with_the_number(tmp_path: Path, index: int) -> None:
    with pytest.raises(BadVolume, match="5 time points") as caught:
        time_point(series(tmp_path), index, tmp_path / "out")
    assert "1 to 5" in caught.value.hint
    assert not (tmp_path / "out").exists()


def test_a_damaged_file_or_a_stop_leaves_nothing(tmp_path: Path) -> None:
    path = series(tmp_path)

    def stop(done: int, total: int) -> None:
        raise FetchCancelled("stopped", hint="again")

    with pytest.raises(FetchCancelled):
        time_point(path, 1, tmp_path / "out", stop)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadVolume):
        time_point(path, 4, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_memory_stays_small(tmp_path: Path) -> None:
    path = save(tmp_path / "a.nii.gz", np.zeros((64, 64, 32, 80), "int16"), GRIDS["LAS"])  # 21 MB
    told: list[int] = []
    time_point(path, 0, tmp_path / "out")
    tracemalloc.start()
    try:
        check_file(time_point(path, 79, tmp_path / "out", lambda done, total: told.append(total - done)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8e6
    assert told == sorted(told, reverse=True) and told[-1] == 0
