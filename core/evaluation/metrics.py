"""Metrics: how well a predicted mask agrees with the truth, as pure functions of two masks on one grid.

Masks are (X, Y, Z) bool, affines (4, 4) voxel index to mm. Where a metric has no value it is None, never 0. Does not
read files, check affines against each other (score.py) or resample.

Sources: ISLES'22 is Hernandez Petzsche et al., Sci Data 2022, with its public evaluation script; ISLES'24 is de la Rosa
et al., arXiv:2408.10966; HD95 and surface Dice follow Maier-Hein, Reinke et al., "Metrics reloaded", Nat Methods 2024.
"""

from __future__ import annotations

import numpy as np

from core.evaluation.components import Bools, LesionOverlap, count_components, lesion_overlap, require_pair
from core.evaluation.records import ISLES24_IOU, TOLERANCE_MM
from core.evaluation.surface import SurfaceDistances, surface_distances
from core.imaging.volume import Affine, voxel_ml_of

# A true and a predicted lesion match from this intersection over union on. The challenge's public script names none and
# so runs at panoptica's default of 0.5: scores from there can be lower.
_ROUNDING_MM = 1e-4  # affines are often stored in float32: 5 x 0.4 mm must count as 2 mm


def dice(prediction: Bools, truth: Bools) -> float:
    """2 |P and T| / (|P| + |T|), 0..1; 1 when both are empty (ISLES'22).

    Raises:
        BadVolume, GridMismatch: a mask is not 3D bool, or the shapes differ. So do all functions of two masks.
    """
    require_pair(prediction, truth)
    total = np.count_nonzero(prediction) + np.count_nonzero(truth)
    return 2.0 * np.count_nonzero(prediction & truth) / total if total else 1.0


def volume_ml(mask: Bools, affine: Affine) -> float:
    """Volume inside the mask in millilitres."""
    return float(np.count_nonzero(mask)) * voxel_ml_of(affine)


def avd_ml(prediction: Bools, truth: Bools, affine: Affine) -> float:
    """Absolute volume difference in millilitres (ISLES'22)."""
    require_pair(prediction, truth)
    return abs(np.count_nonzero(prediction) - np.count_nonzero(truth)) * voxel_ml_of(affine)


def lesion_count_difference(prediction: Bools, truth: Bools) -> int:
    """Absolute difference of the numbers of lesions, 26-connectivity (ISLES'22)."""
    require_pair(prediction, truth)
    return abs(count_components(prediction) - count_components(truth))


def lesion_f1_isles22(prediction: Bools, truth: Bools) -> float:
    """Lesion-wise F1 of ISLES'22, 0..1: see f1_isles22."""
    return f1_isles22(lesion_overlap(prediction, truth))


def lesion_f1_isles24(prediction: Bools, truth: Bools) -> float:
    """Lesion-wise F1 of ISLES'24, 0..1: see f1_isles24."""
    return f1_isles24(lesion_overlap(prediction, truth))


def hd95_mm(prediction: Bools, truth: Bools, affine: Affine) -> float | None:
    """95th percentile Hausdorff distance in mm, None when a mask is empty: see hd95."""
    return hd95(surface_distances(prediction, truth, affine))


def surface_dice_2mm(prediction: Bools, truth: Bools, affine: Affine) -> float | None:
    """Surface Dice at 2 mm, 0..1, None when a mask is empty: see surface_dice."""
    return surface_dice(surface_distances(prediction, truth, affine), TOLERANCE_MM)


def f1_isles22(overlap: LesionOverlap) -> float:
    """TP / (TP + (FP + FN) / 2) by any touch: ISLES'22.

    TP: true lesions with at least one predicted voxel; FN: those with none; FP: predicted lesions with no true voxel.
    A lesion predicted in two pieces is one TP and no FP. Both masks empty: 1; one empty: 0.
    """
    hit = len(np.unique(overlap.pairs[:, 1]))
    spurious = len(overlap.prediction_sizes) - len(np.unique(overlap.pairs[:, 0]))
    return _f1(hit, spurious, len(overlap.truth_sizes) - hit)


def f1_isles24(overlap: LesionOverlap, iou: float = ISLES24_IOU) -> float:
    """TP / (TP + (FP + FN) / 2) by one-to-one matching: ISLES'24, the recognition quality of panoptica.

    Pairs with intersection over union >= `iou` are matched from the largest down, each lesion once; what stays alone
    is FP or FN. A lesion predicted in two pieces is one TP and one FP. Both masks empty: 1; one empty: 0.
    """
    predicted, true = overlap.pairs[:, 0], overlap.pairs[:, 1]
    union = overlap.prediction_sizes[predicted] + overlap.truth_sizes[true] - overlap.shared
    quality = overlap.shared / union
    taken: tuple[set[int], set[int]] = set(), set()
    matched = 0
    # Ties in the order of the labels: rivals share a lesion, so swapping the masks does not change which comes first.
    for index in np.argsort(-quality, kind="stable"):
        one, other = int(predicted[index]), int(true[index])
        if quality[index] >= iou and one not in taken[0] and other not in taken[1]:
            taken[0].add(one)
            taken[1].add(other)
            matched += 1
    return _f1(matched, len(overlap.prediction_sizes) - matched, len(overlap.truth_sizes) - matched)


def hd95(distances: SurfaceDistances | None) -> float | None:
    """The larger of the two directed 95th percentiles, in mm; None without two surfaces.

    Each direction's percentile is taken alone, linearly interpolated, and the larger one kept ("Metrics reloaded"; the
    convention of MONAI and of DeepMind's surface-distance). Pooling both directions first, as MedPy does, gives less.
    """
    if distances is None:
        return None
    return float(max(np.percentile(distances.to_truth, 95), np.percentile(distances.to_prediction, 95)))


def surface_dice(distances: SurfaceDistances | None, tolerance_mm: float) -> float | None:
    """Share of both surfaces' voxels within the tolerance of the other surface, 0..1; None without two surfaces.

    The normalised surface distance of Nikolov et al., J Med Internet Res 2021, on voxel centres.
    """
    if distances is None:
        return None
    reach = tolerance_mm + _ROUNDING_MM
    near = np.count_nonzero(distances.to_truth <= reach) + np.count_nonzero(distances.to_prediction <= reach)
    return near / (len(distances.to_truth) + len(distances.to_prediction))


def _f1(hits: int, spurious: int, missed: int) -> float:
    return hits / (hits + (spurious + missed) / 2) if hits + spurious + missed else 1.0
