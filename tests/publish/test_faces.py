"""The rule of thumb for faces, on synthetic heads: whole, cut, stripped, tilted, and out of view."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from core.imaging.geometry import orientation, world
from core.imaging.header import Header
from core.imaging.nifti import write_volume
from core.imaging.phantom import head
from core.imaging.volume import Affine, Volume, spacing_of
from core.publish.faces import Coarse, Face
from core.publish.look import Want, look
from core.publish.rows import FileRef

GRIDS = {
    "whole": ((53, 63, 63), (4.0, 4.0, 4.0), (0, 0, -20), 0),
    "thick slices": ((84, 100, 36), (-2.5, 2.5, 7.0), (0, 0, -20), 0),
    "tilted": ((53, 63, 63), (4.0, 4.0, 4.0), (0, 0, -20), 14),
    "tilted back": ((53, 63, 63), (-4.0, -4.0, 4.0), (0, 0, -20), -14),
    "no mouth": ((53, 63, 30), (4.0, 4.0, 4.0), (0, 0, 30), 0),
    "no crown": ((53, 63, 45), (4.0, 4.0, 4.0), (0, 0, -40), 0),
}


def grid(name: str) -> tuple[tuple[int, int, int], Affine]:
    shape, sizes, centre, tilt = GRIDS[name]
    turn = np.deg2rad(tilt)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]]) @ np.diag(
        sizes
    )
    affine[:3, 3] = np.array(centre) - affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return shape, affine


@cache
def made(name: str) -> dict[str, Volume]:
    return dict(head(*grid(name), seed=3).images)


def ask(data: NDArray[np.float32], affine: Affine, coded: int = 1, chunk: int = 9973) -> Face:
    x, y, z = data.shape
    header = Header(
        (x, y, z), spacing_of(affine), "float32", affine, 1.0, 0.0, data.nbytes, orientation(affine), coded, coded, ""
    )
    coarse, content = Coarse(header), data.tobytes(order="F")
    for at in range(0, len(content), chunk * 64):
        coarse.feed(content[at : at + chunk * 64])
    return coarse.judge()


def cut(volume: Volume) -> NDArray[np.float32]:
    """The face taken away, as programs for it do."""
    places = world(volume.affine, np.moveaxis(np.indices(volume.data.shape), 0, -1))
    away = (places[..., 2] < -20) & (places[..., 1] > 35 + (places[..., 2] + 20) * 0.4)
    return np.where(away, volume.data.min(), volume.data).astype(np.float32)


OTHERS = ("thick slices", "tilted", "tilted back")


@pytest.mark.parametrize("name", ["whole", *(pytest.param(n, marks=pytest.mark.stress) for n in OTHERS)])
@pytest.mark.parametrize("modality", ["ncct", "dwi"])
def test_a_whole_head_shows_a_face_and_a_cut_one_does_not(name: str, modality: str) -> None:
    volume = made(name)[modality]
    whole, without = ask(volume.data, volume.affine), ask(cut(volume), volume.affine)
    assert whole.answer == "face" and "% of the room of nose and mouth" in whole.why
    assert without.answer == "none"


@pytest.mark.parametrize("name", ["whole", *(pytest.param(n, marks=pytest.mark.stress) for n in OTHERS[:2])])
def test_a_brain_alone_shows_no_face(name: str) -> None:
    assert ask(made(name)["adc"].data, grid(name)[1]).answer == "none"


@pytest.mark.parametrize(("name", "why"), [("no mouth", "nose and mouth"), ("no crown", "crown")])
def test_what_is_out_of_view_is_not_judged(name: str, why: str) -> None:
    face = ask(made(name)["ncct"].data, grid(name)[1])
    assert face.answer == "unclear" and why in face.why


def test_what_cannot_be_judged_is_said() -> None:
    data, affine = made("whole")["ncct"].data, grid("whole")[1]
    assert ask(data, affine, coded=0) == Face("unclear", "the file does not say where front is")
    assert ask(data[:, :, :4], affine).answer == "unclear"
    flat = np.full((20, 20, 20), 5, np.float32)
    assert ask(flat, affine).why == "no head stands out from the background"
    assert ask(np.full((20, 20, 20), np.nan, np.float32), affine).answer == "unclear"
    assert ask(flat, np.diag([90.0, 90, 90, 1])).answer == "unclear"


def test_a_file_with_a_face_is_told_with_the_evidence(tmp_path: Path) -> None:
    volume, place = made("whole")["ncct"], tmp_path / "sub-1_ct.nii.gz"
    write_volume(volume, place)
    found = place.stat()
    ref = FileRef(place.name, found.st_size, found.st_mtime_ns)
    assert [one.code for one in look(place, Want(ref, head=True), lambda _: None).troubles] == ["face"]
    assert look(place, Want(ref, head=False), lambda _: None).troubles == ()


@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_how_the_bytes_come_does_not_matter(chunk: int) -> None:
    volume = made("whole")["ncct"]
    assert ask(volume.data, volume.affine, chunk=chunk) == ask(volume.data, volume.affine)
