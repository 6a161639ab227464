"""DeepISLES in both its ways, against executables of ours that behave as the facts say, and every way it fails."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.errors import BadInput, EngineAbsent, EngineError, WorkerDied
from core.imaging import nifti
from core.imaging.volume import Volume
from core.segmentation.engine import Image
from core.segmentation.engines.deepisles import DeepIsles
from core.segmentation.engines.deepisles_ways import IMAGE
from tests.segmentation.deepisles_bench import Bench, bench, images, small
from tests.segmentation.engines import image_of, stored

WAYS = ["docker", "conda"]


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image]:
    return images(tmp_path_factory.mktemp("heads"), "flair")


def without_flair(inputs: dict[str, Image]) -> dict[str, Image]:
    return {name: image for name, image in inputs.items() if name != "flair"}


def expected_mask(inputs: dict[str, Image]) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """What the fake takes for a lesion."""
    data = nifti.read_volume(inputs["dwi"].path).data
    return np.asarray(data > 0.6 * float(data.max()))


@pytest.mark.parametrize("way", WAYS)
def test_the_mask_is_deepisles_own_and_the_teams_are_told(tmp_path: Path, heads: dict[str, Image], way: str) -> None:
    found = bench(tmp_path, way).segment(heads)
    np.testing.assert_array_equal(found.mask.data, expected_mask(heads))
    np.testing.assert_array_equal(found.mask.affine, heads["dwi"].header.affine)
    assert found.probability is None and found.core is None and found.warnings == ()
    assert found.notes["teams"] == ["SEALS", "NVAUTO", "SWAN"] and found.notes["way"] == way
    assert found.adc_scale == pytest.approx(1.0)


def test_the_docker_command_is_as_its_authors_say(tmp_path: Path, heads: dict[str, Image]) -> None:
    made = bench(tmp_path)
    made.segment(heads)
    made.segment(heads, fast="yes", skull_strip="yes", parallel="no")
    made.segment(without_flair(heads))
    folder = f"{tmp_path}/scratch/deepisles:/app/data"
    for argv in made.calls("run"):
        assert argv[:3] == ["run", "--rm", "--pull=never"] and argv[3:5] == ["--gpus", "all"]
        assert argv[5] == "--name" and argv[6].startswith("strokescope-") and argv[7] == "--label"
        assert argv[9:12] == ["-v", folder, IMAGE]
        assert argv[12:16] == ["--dwi_file_name", "dwi.nii.gz", "--adc_file_name", "adc.nii.gz"]
    full, quick, plain = (argv[16:] for argv in made.calls("run"))
    assert full == ["--save_team_outputs", "--flair_file_name", "flair.nii.gz"]
    assert quick == [*full, "--fast", "--skull_strip", "--parallelize"]  # store_false: it turns parallel off
    assert plain == ["--save_team_outputs"]
    assert [argv[-1] for argv in made.calls("image")] == [IMAGE] * 3
    assert made.calls("pull") == [] and made.containers() == []


@pytest.mark.parametrize("way", WAYS)
def test_without_flair_or_in_a_hurry_only_one_algorithm_runs_and_it_says_so(
    tmp_path: Path, heads: dict[str, Image], way: str
) -> None:
    made = bench(tmp_path, way)
    found = made.segment(without_flair(heads))
    assert found.notes["teams"] == ["SEALS"]
    assert found.warnings == ("Without FLAIR only SEALS runs, one of DeepISLES' three algorithms.",)
    found = made.segment(heads, fast="yes")
    assert found.notes["teams"] == ["SEALS"] and "fast mode" in found.warnings[0]


def test_algorithms_that_failed_in_silence_are_told(tmp_path: Path, heads: dict[str, Image]) -> None:
    found = bench(tmp_path, says="one fails").segment(heads)
    assert found.notes["teams"] == ["SEALS", "NVAUTO"]
    assert found.warnings == ("SWAN gave no result; the mask rests on SEALS and NVAUTO alone.",)
    found = bench(tmp_path, says="silent").segment(heads)
    assert found.notes["teams"] is None and "did not say" in found.warnings[0]
    with pytest.raises(EngineError, match="rests on nothing"):
        bench(tmp_path, says="all fail").segment(heads)


def test_a_mask_without_a_lesion_is_a_result(tmp_path: Path, heads: dict[str, Image]) -> None:
    found = bench(tmp_path, says="empty").segment(heads)
    assert not found.mask.data.any()


@pytest.mark.parametrize(
    ("way", "says", "words"),
    [
        ("docker", "no mask", "without a mask"),
        ("docker", "elsewhere", "without a mask"),
        ("docker", "torn", "cannot be read"),
        ("docker", "other grid", r"40×48×19.*40×48×20"),
        ("docker", "labels", "other than 0 and 1"),
        ("docker", "oom", "GPU's memory"),
        ("docker", "killed", "killed"),
        ("conda", "elsewhere", "without a mask"),
        ("conda", "strange", "status 1"),
        ("conda", "killed", "killed"),
    ],
)
def test_every_way_it_fails_is_one_clear_sentence(
    tmp_path: Path, heads: dict[str, Image], way: str, says: str, words: str
) -> None:
    made = bench(tmp_path, way, says)
    with pytest.raises(EngineError, match=words) as failed:
        made.segment(without_flair(heads))
    told = failed.value.sentence()
    assert failed.value.hint and "\n" not in told and str(tmp_path) not in told and len(told) < 220
    assert made.containers() == []


@pytest.mark.parametrize(
    ("way", "says", "lacks", "words"),
    [
        ("docker", "no daemon", (), "daemon is not running"),
        ("docker", "denied", (), "may not talk to Docker"),
        ("docker", "no image", (), "image is not on this machine"),
        ("docker", "", ("docker",), "neither DeepISLES nor Docker"),
        ("docker", "", ("nvidia-smi",), "needs an NVIDIA GPU"),
        ("docker", "no driver", (), "driver does not answer"),
        ("conda", "", ("conda",), "conda is not on PATH"),
        ("conda", "no driver", (), "driver does not answer"),
        ("off", "", (), "switched off"),
    ],
)
def test_what_a_machine_lacks_is_said_before_anything_runs(
    tmp_path: Path, heads: dict[str, Image], way: str, says: str, lacks: tuple[str, ...], words: str
) -> None:
    made = bench(tmp_path, way, says, lacks)
    missing = DeepIsles(made.setup).missing()
    assert missing is not None and words in missing.sentence and missing.hint
    with pytest.raises(EngineAbsent, match=words):
        made.segment(without_flair(heads))
    assert made.calls("run") == [] and made.calls("pull") == []
    if says == "no image":
        assert missing.hint == f"run: docker pull {IMAGE}"


def test_what_only_docker_run_can_tell_is_clear_too(tmp_path: Path, heads: dict[str, Image]) -> None:
    for says, words in (("no gpu", "cannot reach a GPU"), ("no toolkit", "driver does not answer")):
        with pytest.raises(EngineError, match=words):
            bench(tmp_path, says=says).segment(without_flair(heads))


def test_a_space_without_weights_or_environment_says_so(tmp_path: Path, heads: dict[str, Image]) -> None:
    with pytest.raises(EngineError, match="conda environment"):
        bench(tmp_path, "conda", "no environment").segment(without_flair(heads))
    made = bench(tmp_path, "conda")
    (tmp_path / "app" / "weights" / "SEALS").rmdir()
    with pytest.raises(EngineAbsent, match="weights"):
        made.segment(without_flair(heads))
    (tmp_path / "app" / "src" / "isles22_ensemble.py").unlink()
    with pytest.raises(EngineAbsent, match="not in this container"):
        made.segment(without_flair(heads))


def test_auto_takes_conda_inside_the_image_and_docker_elsewhere(tmp_path: Path, heads: dict[str, Image]) -> None:
    for way in WAYS:
        (tmp_path / way).mkdir()
        made = bench(tmp_path / way, way)
        auto = Bench(made.folder, replace(made.setup, way="auto"))
        assert auto.segment(without_flair(heads)).notes["way"] == way


def test_images_that_do_not_fit_are_refused_with_numbers(tmp_path: Path) -> None:
    made, volumes = bench(tmp_path), small()
    dwi, adc = volumes["dwi"], volumes["adc"]
    away = adc.affine.copy()
    away[0, 3] += 7.5
    for other, words in (
        (Volume(adc.data, away), r"7\.5 mm"),
        (Volume(adc.data[:, :, :-1], adc.affine), "40×48×20 and 40×48×19"),
    ):
        with pytest.raises(BadInput, match=words):
            made.segment(stored({"dwi": dwi, "adc": other}, tmp_path))
    far = adc.affine.copy()
    far[2, 3] += 65.0
    flair = Volume(dwi.data[:, :, ::2].copy(), adc.affine @ np.diag([1, 1, 2.0, 1]))
    with pytest.raises(BadInput, match=r"covers only 2. %"):
        made.segment(stored({**volumes, "flair": Volume(dwi.data, far)}, tmp_path))
    assert made.calls("run") == []
    found = made.segment(stored({**volumes, "flair": flair}, tmp_path))
    assert len(found.warnings) == 1 and "40×48×10" in found.warnings[0]


def test_a_series_is_refused_and_a_fourth_axis_of_one_is_taken_off(tmp_path: Path, heads: dict[str, Image]) -> None:
    import nibabel as nib

    made, dwi = bench(tmp_path), heads["dwi"]
    data = dwi.volume().data
    for count in (2, 1):
        series = np.repeat(data[..., None], count, axis=3)
        nib.save(nib.Nifti1Image(series, dwi.header.affine), tmp_path / "dwi.nii.gz")  # type: ignore[no-untyped-call]
        inputs = {**without_flair(heads), "dwi": image_of("dwi", tmp_path / "dwi.nii.gz")}
        if count == 2:
            with pytest.raises(BadInput, match="2 volumes"):
                made.segment(inputs)
        else:
            np.testing.assert_array_equal(made.segment(inputs).mask.data, expected_mask(heads))


def test_it_gets_copies_under_neutral_names_and_nothing_else(tmp_path: Path, heads: dict[str, Image]) -> None:
    made = bench(tmp_path, says="busy")
    folder = tmp_path / "images of Jane Doe"
    named = stored({name: image.volume() for name, image in without_flair(heads).items()}, _made(folder))
    (folder / "truth_lesion_msk.nii.gz").write_bytes(named["dwi"].path.read_bytes())
    seen: list[list[str]] = []

    def watch(name: str, done: float) -> None:
        inside = tmp_path / "scratch" / "deepisles"
        if inside.is_dir():
            seen.append(sorted(path.name for path in inside.rglob("*")))

    made.segment(named, watch)
    assert ["adc.nii.gz", "dwi.nii.gz"] in seen
    assert not any("Jane" in name or "truth" in name for names in seen for name in names)
    assert "Jane" not in json.dumps(made.calls("run")).replace(str(tmp_path), "")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_a_file_that_changed_since_it_was_chosen_is_refused(tmp_path: Path, heads: dict[str, Image]) -> None:
    other = replace(heads["adc"], sha256="0" * 64)
    with pytest.raises(BadInput, match="ADC changed"):
        bench(tmp_path).segment({**without_flair(heads), "adc": other})


def test_one_that_takes_too_long_is_ended(tmp_path: Path, heads: dict[str, Image]) -> None:
    for way in WAYS:
        (tmp_path / way).mkdir()
        made = bench(tmp_path / way, way, "slow")
        hasty = Bench(made.folder, replace(made.setup, timeout_s=1.0))
        with pytest.raises(WorkerDied, match="longer"):
            hasty.segment(without_flair(heads))
        assert hasty.containers() == []


def test_a_docker_that_does_not_answer_is_said(tmp_path: Path) -> None:
    from core.segmentation.engines.deepisles_ways import ask

    made = bench(tmp_path, says="hangs")
    assert ask(made.setup, str(tmp_path / "bin" / "docker"), "ps", limit_s=0.5) == (None, "")


def test_a_folder_that_docker_cannot_mount_is_refused(tmp_path: Path, heads: dict[str, Image]) -> None:
    scratch = _made(tmp_path / "a:b")
    with pytest.raises(BadInput, match="':'"):
        DeepIsles(bench(tmp_path).setup).segment(without_flair(heads), {}, lambda name, done: None, scratch)
