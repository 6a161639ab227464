"""What a reader must know to judge a result of the diffusion engine, in sentences.

Pure: numbers in, sentences out. Decides nothing about voxels.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.segmentation.engines.diffusion_rules import Verdict
from core.segmentation.engines.diffusion_symmetry import POOR

MILD_RATIO = 1.4  # mean DWI over background; embolic and territorial infarcts on the development cases lie above
PLAUSIBLE_ADC = (600.0, 1100.0)  # 1e-6 mm2/s, healthy grey and white matter
WORTH_SAYING_ML = 0.2  # rejected volume below this is noise


@dataclass(frozen=True, eq=False)
class Findings:
    """What `sentences` speaks of.

    Attributes:
        verdict: accepted and rejected components.
        lesion_ratio: mean DWI of the lesion over its background, 0 without a lesion.
        background_adc: median ADC of healthy tissue, 1e-6 mm2/s.
        correlation: of the brain with its mirror image.
        adc_scale: factor that brought ADC to 1e-6 mm2/s.
        adc_cover: fraction of the brain with an ADC.
        resampled: ADC lay on another grid than DWI.
        empty: there is no lesion on the DWI's grid.
    """

    verdict: Verdict
    lesion_ratio: float
    background_adc: float
    correlation: float
    adc_scale: float
    adc_cover: float
    resampled: bool
    empty: bool


def sentences(findings: Findings) -> tuple[str, ...]:
    """Warnings for the screen, the most important first."""
    return tuple(about_result(findings) + about_rejected(findings.verdict) + about_input(findings))


def about_result(findings: Findings) -> list[str]:
    """Is there a lesion, and can it be trusted?"""
    said = []
    if findings.empty:
        said.append("No lesion was found; this does not exclude one.")
    if findings.correlation < POOR:
        said.append(
            f"The two halves of the brain hardly match (mid-plane correlation {findings.correlation:.2f}, "
            f"below {POOR:g}): asymmetric shading, a tilted head or a large old lesion makes this result unreliable."
        )
    if 0 < findings.lesion_ratio < MILD_RATIO:
        said.append(
            f"The lesion is only mildly bright on DWI ({findings.lesion_ratio:.2f} times its background): "
            "its border, or all of it, may be wrong."
        )
    if findings.verdict.paired_ml > 0:
        said.append(
            f"{findings.verdict.paired_ml:.2f} ml were accepted although the other side looks alike: "
            "check them for lesions on both sides or for an artefact."
        )
    if findings.verdict.rim_ml >= WORTH_SAYING_ML:
        said.append(
            f"{findings.verdict.rim_ml:.2f} ml of the mask lie on the brain's rim: "
            "check them for artefacts, which are common at the skull base."
        )
    return said


def about_rejected(verdict: Verdict) -> list[str]:
    """What was proposed and not believed."""
    shine = (
        f"{verdict.shine_ml:.1f} ml are bright on DWI while their ADC is not low (T2 shine-through or artefact): "
        "they are not in the mask."
    )
    said = [shine] if verdict.shine_ml >= WORTH_SAYING_ML else []
    if not verdict.rejected_count:
        return said
    parts = sorted(verdict.rejected_ml.items(), key=lambda item: (-item[1], item[0]))
    listed = "; ".join(f"{verdict.rejected_count[reason]} {reason} ({ml:.2f} ml)" for reason, ml in parts)
    said.append(f"Candidates rejected: {listed}.")
    for part, sentence in (
        ("other side", "look the same on both sides: bilateral symmetric lesions would be missed"),
        ("rim", "lie on the brain's rim, where artefacts at the skull base are common"),
    ):
        ml = sum(value for reason, value in parts if part in reason)
        if ml >= WORTH_SAYING_ML:
            said.append(f"{ml:.1f} ml that were rejected {sentence}.")
    return said


def about_input(findings: Findings) -> list[str]:
    """How the images had to be read."""
    said = []
    if findings.resampled:
        said.append("DWI and ADC lie on different grids: the ADC was resampled onto the DWI's.")
    if findings.adc_scale != 1.0:
        said.append(f"The ADC's values were multiplied by {findings.adc_scale:g} to be in 10⁻⁶ mm²/s.")
    if findings.adc_cover < 0.95:
        said.append(f"Only {100 * findings.adc_cover:.0f} % of the brain has an ADC; the rest was not judged.")
    low, high = PLAUSIBLE_ADC
    if not low <= findings.background_adc <= high:
        said.append(
            f"Healthy tissue has an ADC of {findings.background_adc:.0f} × 10⁻⁶ mm²/s, expected about 800: "
            "the ADC's unit may have been misjudged."
        )
    return said
