"""ENGINE "deepisles": the ensemble of the ISLES'22 challenge, run as its authors publish it.

Says what the engine is, needs and cannot do, and puts its parts together: the way to it (deepisles_ways.py), its files
(deepisles_files.py), its run (deepisles_run.py). Holds no network and no weights of its own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import BadSettings, EngineAbsent, EngineError
from core.segmentation.adc import scale_of
from core.segmentation.engine import (
    Choice,
    EngineInfo,
    Image,
    Missing,
    Needs,
    Phase,
    Segmentation,
    Value,
    needed,
)
from core.segmentation.engines.deepisles_ways import VERSION, Conda, Docker, Setup, Task, find_way, setup_of, version_of
from core.segmentation.engines.deepisles_words import diagnose

if TYPE_CHECKING:
    from core.segmentation.engines.deepisles_files import Outcome

NO_YES = ("no", "yes")
TEAMS = ("SEALS", "NVAUTO", "SWAN")
INFO = EngineInfo(
    name="deepisles",
    label="DeepISLES, an ensemble of three networks (ISLES'22)",
    version=VERSION,
    inputs=("dwi", "adc"),
    optional=("flair",),
    validated=(
        "Validated by its authors on the ISLES'22 test set and further centres (arXiv:2403.19425); not by us, not "
        "without FLAIR, and not on images resampled to a CT."
    ),
    failures=(
        "Without FLAIR only SEALS, one of its three algorithms, runs.",
        "An algorithm that fails inside is skipped in silence; the vote falls back to the others.",
        "It expects DWI of b = 1000 and images that are skull-stripped, or whose skull it is told to strip.",
        "It was trained on lesions of hours to weeks after onset; old infarcts may be missed or marked.",
    ),
    parameters=(
        Choice("fast", "Fast", "no", NO_YES, "Only SEALS, the winner of ISLES'22, instead of all three algorithms."),
        Choice("skull_strip", "Strip the skull", "no", NO_YES, "Let DeepISLES remove the skull first (HD-BET)."),
        Choice("parallel", "In parallel", "yes", NO_YES, "Run the algorithms at once if the GPU has 12 GB free."),
    ),
    memory_base_mb=8000.0,
    memory_bytes_per_voxel=150.0,
    seconds_base=240.0,
    seconds_per_mvoxel=15.0,
    licence="its authors' own, for code and weights: see github.com/ezequieldlrosa/DeepIsles before any use",
    citation=(
        "de la Rosa et al., A Robust Ensemble Algorithm for Ischemic Stroke Lesion Segmentation: Generalizability and "
        "Clinical Utility Beyond the ISLES Challenge, arXiv:2403.19425"
    ),
    task="ischemic lesion on DWI and ADC (and FLAIR) of one session",
    backstop=False,
)
GPU_MB, GPU_FAST_MB = 12000.0, 8000.0  # estimates: the first is what DeepISLES itself asks for to run in parallel


@dataclass(frozen=True)
class DeepIsles:
    """The engine; see core.segmentation.engine.Engine for the contract.

    Attributes:
        setup: where DeepISLES is; None to read it from the environment when it is needed.
    """

    setup: Setup | None = None

    @property
    def info(self) -> EngineInfo:
        """What it is, needs, and cannot do."""
        try:
            return replace(INFO, version=version_of(self._setup()))
        except BadSettings:  # `missing` tells of it
            return INFO

    def needs(self, voxels: int, parameters: Mapping[str, Value]) -> Needs:
        """An estimate from what its authors ask for, for all it starts; not measured by us."""
        alone = parameters.get("fast") == "yes"
        memory, seconds = INFO.predict_memory_mb(voxels), INFO.predict_seconds(voxels)
        disk = 30 * voxels / 1e6
        return Needs(memory, seconds / 2 if alone else seconds, GPU_FAST_MB if alone else GPU_MB, disk)

    def missing(self) -> Missing | None:
        """Whether neither of its two ways is open on this machine, and why."""
        try:
            found = find_way(self._setup())
        except BadSettings as error:
            return Missing(str(error), error.hint)
        return found if isinstance(found, Missing) else None

    def segment(
        self, inputs: Mapping[str, Image], parameters: Mapping[str, Value], phase: Phase, scratch: Path
    ) -> Segmentation:
        """Segment one head; see Engine.segment.

        Raises:
            BadInput: an image is missing, a series, or does not fit the DWI.
            BadParameter: an unknown parameter, or a word that is none of its options.
            EngineAbsent: this machine has no GPU, no image, no weights.
            EngineError: DeepISLES failed, or left no mask.
            BadSettings: STROKESCOPE_DEEPISLES cannot be understood.
        """
        from core.segmentation.engines import deepisles_files as files

        settled = INFO.settle(parameters)
        needed(inputs, INFO)
        used = {name: inputs[name] for name in (*INFO.inputs, *INFO.optional) if name in inputs}
        warnings = files.check(used)
        setup = self._setup()
        way = find_way(setup)
        if isinstance(way, Missing):
            raise EngineAbsent(way.sentence, hint=way.hint)
        phase("Laying out the images", 0.0)
        folder = scratch / "deepisles"
        try:
            names = files.lay_out(used, folder)
            fast, strip, parallel = (settled[name] == "yes" for name in ("fast", "skull_strip", "parallel"))
            task = Task(folder, names["dwi"], names["adc"], names.get("flair"), fast, strip, parallel)
            found = _found(setup, way, task, used["dwi"], phase)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        told = (*warnings, *about_teams(found.teams, task))
        notes = {**way.provenance(), "teams": None if found.teams is None else list(found.teams)}
        scale = scale_of(used["adc"])
        phase("Done", 1.0)
        return Segmentation(found.mask, None, None, told, adc_scale=scale, notes=notes)

    def _setup(self) -> Setup:
        return setup_of(os.environ) if self.setup is None else self.setup


def _found(setup: Setup, way: Docker | Conda, task: Task, dwi: Image, phase: Phase) -> Outcome:
    from core.segmentation.engines.deepisles_files import collect
    from core.segmentation.engines.deepisles_run import run

    run(setup, way, task, phase)
    phase("Checking the mask", 0.95)
    found = collect(task.results, dwi)
    if found is None:
        lost = diagnose(0, "", setup.image)
        raise EngineError(lost.sentence, hint=lost.hint)
    return found


def about_teams(teams: tuple[str, ...] | None, task: Task) -> tuple[str, ...]:
    """Which algorithms the mask rests on, in sentences.

    Raises:
        EngineError: on none: whatever the mask is, it is not theirs.
    """
    if teams == ():
        said = "none of DeepISLES' algorithms gave a result, so its mask rests on nothing"
        raise EngineError(said, hint="check the images and the GPU's memory, then run it again")
    expected = TEAMS if task.flair and not task.fast else TEAMS[:1]
    told = []
    if task.flair is None:
        told.append("Without FLAIR only SEALS runs, one of DeepISLES' three algorithms.")
    elif task.fast:
        told.append("In the fast mode only SEALS runs, one of DeepISLES' three algorithms.")
    if teams is None:
        told.append("DeepISLES did not say which of its algorithms gave a result.")
    elif set(teams) < set(expected):
        lost = " and ".join(team for team in expected if team not in teams)
        told.append(f"{lost} gave no result; the mask rests on {' and '.join(teams)} alone.")
    return tuple(told)


ENGINE = DeepIsles()
