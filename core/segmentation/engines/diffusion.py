"""ENGINE "diffusion": rule-based segmentation of ischemic lesions on DWI and ADC, not validated.

Says what the engine is, needs and cannot do. Importing it is cheap; the analysis (diffusion_pipeline.py) is loaded when
it is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.segmentation.engine import (
    EngineInfo,
    Image,
    Missing,
    Needs,
    Parameter,
    Phase,
    Segmentation,
    Value,
    needed,
)

PARAMETERS = (
    Parameter("adc_core", "ADC core", 620, 300, 900, 10, "10⁻⁶ mm²/s", "Lesion voxels below this are counted as core."),
    Parameter("adc_max", "ADC limit", 800, 400, 1200, 10, "10⁻⁶ mm²/s", "A lesion's ADC must be below this."),
    Parameter("z_seed", "z to start", 4, 2, 10, 0.5, "", "DWI brightness (robust z) at which a lesion is suspected."),
    Parameter("z_grow", "z to grow", 2, 0.5, 6, 0.5, "", "DWI brightness (robust z) down to which it grows."),
    Parameter("peak_fraction", "Peak fraction", 0.4, 0, 0.9, 0.05, "", "Share of the local peak a voxel must reach."),
    Parameter(
        "local_contrast", "Local contrast", 3, 0, 10, 0.5, "z", "How far a lesion stands out of its surroundings."
    ),
    Parameter("asymmetry", "Asymmetry", 3, 0, 10, 0.5, "z", "How much brighter it is than the mirrored place."),
    Parameter("dwi_ratio", "DWI ratio", 1.15, 1, 2, 0.05, "", "Least DWI over its background."),
    Parameter("adc_ratio", "ADC ratio", 0.88, 0.5, 1, 0.01, "", "Largest ADC over its background."),
    Parameter("min_volume", "Minimum volume", 0.03, 0, 5, 0.01, "ml", "Smaller components are dropped."),
    Parameter("smoothing", "Smoothing", 1.5, 0, 6, 0.5, "mm", "Full width at half maximum, before voxels are judged."),
)

INFO = EngineInfo(
    name="diffusion",
    label="Rule-based DWI/ADC analysis, not validated",
    version="1.1",
    inputs=("dwi", "adc"),
    optional=(),
    validated="Not validated: its rules were found on two ISLES'22 cases and on infarcts pasted into them.",
    failures=(
        "Strong asymmetric shading or a badly tilted head (mid-plane correlation below about 0.5) misleads it.",
        "Lesions that look the same on both sides may be missed.",
        "T2 shine-through may be taken for a lesion, or hide one.",
        "Mild lesions, with little signal on DWI or a small drop of ADC, may be missed or too small.",
        "Bright rims at the skull base may be taken for lesions; a warning says how much of the mask lies on a rim.",
    ),
    parameters=PARAMETERS,
    memory_base_mb=112.0,
    memory_bytes_per_voxel=16.0,
    seconds_base=1.8,
    seconds_per_mvoxel=0.2,
    licence="Apache-2.0, as Strokescope itself; there are no weights",
    citation="Strokescope, rule-based DWI/ADC analysis; there is no publication",
    task="ischemic lesion on DWI and ADC of one session",
    probability="a rank from 0 to 1, not calibrated; the mask is where it is at least 0.5",
)


class Diffusion:
    """The engine; see core.segmentation.engine.Engine for the contract."""

    @property
    def info(self) -> EngineInfo:
        """What it is, needs, and cannot do."""
        return INFO

    def needs(self, voxels: int, parameters: Mapping[str, Value]) -> Needs:
        """By measured lines; the parameters change nothing."""
        return INFO.needs(voxels)

    def missing(self) -> Missing | None:
        """Runs everywhere."""
        return None

    def segment(
        self, inputs: Mapping[str, Image], parameters: Mapping[str, Value], phase: Phase, scratch: Path
    ) -> Segmentation:
        """Segment one head; see Engine.segment.

        Raises:
            BadInput: DWI or ADC is missing, empty, not finite, of another place, or shows no brain.
            BadParameter: unknown parameter, out of range, or thresholds that contradict each other.
        """
        from core.segmentation.engines.diffusion_pipeline import run  # scipy stays out of the pages' process

        settled = {name: float(value) for name, value in INFO.settle(parameters).items()}
        return run({image.name: image.volume() for image in needed(inputs, INFO)}, settled, phase)


ENGINE = Diffusion()
