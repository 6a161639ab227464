"""What a score is: its values, their definitions, and the job that asks for them. Computes nothing (score.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from core.errors import BadParameter

ISLES24_IOU = 0.2
TOLERANCE_MM = 2.0  # of surface_dice_2mm

TASK_NOTE = (
    "These scores belong to segmenting the lesion that the follow-up MRI shows; they are not comparable with the "
    "ISLES'24 challenge, which predicts the final infarct from the acute images (winner: Dice 0.285 ± 0.213)."
)

DEFINITIONS: dict[str, str] = {
    "dice": "Dice: twice the volume in both masks over the sum of their volumes, 0 to 1 without unit; 1 when both are "
    "empty, 0 when one is. Source: ISLES'22.",
    "volume_prediction_ml": "Volume of the predicted lesion in ml: voxels inside times the affine's voxel volume.",
    "volume_truth_ml": "Volume of the true lesion in ml: voxels inside times the affine's voxel volume.",
    "avd_ml": "Absolute difference of the two volumes in ml; 0 is best. Source: ISLES'22.",
    "lesion_count_difference": "Absolute difference of the numbers of lesions (a count); voxels that share a face, an "
    "edge or a corner are one lesion. Source: ISLES'22.",
    "lesion_f1_isles22": "Lesion-wise F1, 0 to 1 without unit: a true lesion counts as found when one predicted voxel "
    "touches it, a predicted lesion as false when it touches none; 1 when both masks are empty. Source: ISLES'22.",
    "lesion_f1_isles24": "Lesion-wise F1, 0 to 1 without unit: lesions are matched one to one where intersection over "
    f"union is at least {ISLES24_IOU}, so a lesion predicted in two pieces costs a false positive; 1 when both "
    "masks are empty. Source: ISLES'24 (recognition quality of panoptica).",
    "hd95_mm": "95th percentile Hausdorff distance in mm between boundary voxel centres, the larger of the two "
    "directions; undefined when a mask is empty. Source: Metrics reloaded, Nat Methods 2024.",
    "surface_dice_2mm": f"Surface Dice, 0 to 1 without unit: share of both outlines' voxels within "
    f"{TOLERANCE_MM:g} mm of the other outline; undefined when a mask is empty. Source: Nikolov et al., "
    "J Med Internet Res 2021.",
}


@dataclass(frozen=True)
class CaseScore:
    """Every metric of one case; DEFINITIONS says what each is, None is undefined."""

    dice: float
    volume_prediction_ml: float
    volume_truth_ml: float
    avd_ml: float
    lesion_count_difference: int
    lesion_f1_isles22: float
    lesion_f1_isles24: float
    hd95_mm: float | None
    surface_dice_2mm: float | None

    def to_json(self) -> dict[str, float | int | None]:
        """Keys as in `score --json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> CaseScore:
        """Back from to_json.

        Raises:
            BadParameter: a key is missing.
        """
        missing = [field.name for field in fields(cls) if field.name not in data]
        if missing:
            raise BadParameter(f"the score lacks {', '.join(missing)}", hint="score the case again")
        return cls(**{field.name: data[field.name] for field in fields(cls)})


@dataclass(frozen=True)
class ScoreJob:
    """What one scoring process does.

    Attributes:
        prediction, truth: masks, .nii or .nii.gz.
        overlap_out: where to write the label map of overlap.py on the prediction's grid, or None.
    """

    prediction: Path
    truth: Path
    overlap_out: Path | None = None

    def to_json(self) -> dict[str, str | None]:
        """For job.json."""
        return {key: None if value is None else str(value) for key, value in asdict(self).items()}

    @classmethod
    def from_file(cls, path: Path) -> ScoreJob:
        """Read job.json.

        Raises:
            BadParameter: it is not there, not JSON, or lacks a path.
        """
        try:
            data = json.loads(path.read_text("utf-8"))
            out = data.get("overlap_out")
            return cls(Path(data["prediction"]), Path(data["truth"]), None if out is None else Path(out))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            hint = "give a JSON file with prediction and truth"
            raise BadParameter(f"the scoring job cannot be read ({type(error).__name__})", hint=hint) from None
