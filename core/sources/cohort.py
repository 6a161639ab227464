"""The synthetic cohort: who the cases are and what struck them. Only data; sample.py makes the images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from core.case import Clinical
from core.imaging.lesion import Lesion

EVERYTHING = ("dwi", "adc", "ncct", "tmax", "cbf", "lesion_mask")
NO_PERFUSION = ("dwi", "adc", "ncct", "lesion_mask")


@dataclass(frozen=True)
class SampleCase:
    """One invented patient; `seed` gives the head."""

    case_id: str
    seed: int
    note: str
    clinical: Clinical
    lesions: tuple[Lesion, ...]
    modalities: tuple[str, ...] = EVERYTHING


def _emboli(seed: int, count: int) -> tuple[Lesion, ...]:
    """Small infarcts strewn over both hemispheres, mostly in the cortex."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        side, angle, height = rng.choice([-1.0, 1.0]), rng.uniform(-1.2, 1.2), rng.uniform(-5, 48)
        ring = 0.84 * np.sqrt(1 - (height / 72) ** 2)
        x, y = side * max(60 * ring * np.cos(angle), 8.0), 78 * ring * np.sin(angle)
        radius = rng.uniform(3.2, 6.0)
        found.append(Lesion((float(x), float(y), float(height)), (radius, radius, radius), 2.1, 480))
    return tuple(found)


def cohort() -> tuple[SampleCase, ...]:
    """All cases in the order of their ids."""
    left_mca = Lesion((-44, -2, 12), (24, 40, 30), 2.0, 430, 1.3)
    malignant = Lesion((46, -4, 10), (34, 56, 44), 2.1, 400, 1.15)
    rows: tuple[tuple[str, tuple[float, str, float, float, float], tuple[Lesion, ...]], ...] = (
        ("large territorial infarct, left middle cerebral artery", (71, "F", 17, 5, 4), (left_mca,)),
        ("lacunar infarct, right internal capsule", (64, "M", 4, 2, 1), (Lesion((21, -6, 8), (6, 7, 8), 2.0, 480),)),
        ("many small emboli on both sides", (78, "F", 6, 3, 2), _emboli(3, 22)),
        ("no lesion", (58, "M", 1, 1, 0), ()),
        ("right middle cerebral artery, lower division", (69, "M", 9, 4, 2), (_right_lower(),)),
        ("left posterior cerebral artery", (74, "F", 5, 3, 2), (Lesion((-18, -64, 6), (14, 22, 15), 2.0, 470, 1.3),)),
        ("pons, right of the midline", (66, "M", 7, 4, 2), (Lesion((6, -24, -30), (6, 7, 9), 1.9, 500),)),
        ("right cerebellum", (55, "M", 3, 2, 1), (Lesion((26, -56, -40), (19, 19, 12), 2.0, 450, 1.2),)),
        ("both thalami", (81, "F", 12, 5, 5), _both_thalami()),
        ("left watershed, a chain of infarcts", (76, "M", 8, 4, 3), _watershed()),
        ("right anterior cerebral artery", (62, "F", 6, 4, 2), (Lesion((8, 34, 42), (11, 28, 20), 2.0, 460, 1.3),)),
        ("left deep infarct, large mismatch", (49, "F", 14, 5, 2), (Lesion((-27, 4, 6), (9, 20, 14), 2.1, 420, 3.0),)),
        ("right frontal cortex; no perfusion images", (60, "M", 3, 2, 1), (Lesion((40, 42, 26), (16, 16, 14), 1.9),)),
        ("faint small cortical infarct, left", (53, "F", 2, 1, 0), (Lesion((-50, -30, 34), (11, 11, 9), 1.5, 590),)),
        ("very large infarct, right middle cerebral artery", (68, "M", 21, 5, 6), (malignant,)),
        (
            "left insula, small core, large mismatch",
            (72, "F", 11, 4, 1),
            (Lesion((-42, 6, 4), (9, 16, 11), 2.0, 440, 3.2),),
        ),
    )
    cases = []
    for number, (note, (age, sex, nihss, mrs, later), lesions) in enumerate(rows, start=1):
        clinical = Clinical(age, sex, nihss, mrs, later)
        modalities = NO_PERFUSION if "no perfusion" in note else EVERYTHING
        cases.append(SampleCase(f"sample-{number:02d}", 100 + number, note, clinical, lesions, modalities))
    return tuple(cases)


def _right_lower() -> Lesion:
    return Lesion((48, -34, 10), (18, 24, 18), 2.0, 440, 1.5)


def _both_thalami() -> tuple[Lesion, ...]:
    return tuple(Lesion((side * 8, -12, 6), (6, 9, 7), 2.0, 470, 1.2) for side in (-1, 1))


def _watershed() -> tuple[Lesion, ...]:
    places = ((-26, 36, 34), (-28, 18, 38), (-27, 0, 40), (-28, -18, 38), (-30, -40, 32), (-34, -56, 24))
    return tuple(Lesion((float(x), float(y), float(z)), (7, 7, 7), 2.0, 470, 1.6) for x, y, z in places)
