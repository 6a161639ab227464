"""Case: the words that every layer uses for one patient's images.

Names the modalities once (label, session, unit), and what is known of a case before any image is read. Holds no paths
and no bytes; where a case's images are is its source's business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from core.errors import CaseNotFound

Session = Literal["ses-01", "ses-02"]
SESSION_LABELS: dict[str, str] = {"ses-01": "acute CT, day 0", "ses-02": "follow-up MRI, day 2–9"}


@dataclass(frozen=True)
class Modality:
    """One kind of image.

    Attributes:
        name: the key used everywhere: columns, files, query parameters, the command line.
        label: for the screen.
        session: ses-01 is the acute CT, ses-02 the follow-up MRI (ISLES'24).
        unit: meaning of a voxel value, "" when it is arbitrary or a label.
        is_mask: voxels are labels, not intensities.
        is_4d: a time series; too large to open by default.
    """

    name: str
    label: str
    session: Session
    unit: str = ""
    is_mask: bool = False
    is_4d: bool = False


_ALL = (
    Modality("dwi", "DWI", "ses-02"),
    Modality("adc", "ADC", "ses-02", "10⁻⁶ mm²/s"),
    Modality("flair", "FLAIR", "ses-02"),
    Modality("ncct", "NCCT", "ses-01", "HU"),
    Modality("cta", "CTA", "ses-01", "HU"),
    Modality("tmax", "Tmax", "ses-01", "s"),
    Modality("cbf", "CBF", "ses-01", "ml/100 g/min"),
    Modality("cbv", "CBV", "ses-01", "ml/100 g"),
    Modality("mtt", "MTT", "ses-01", "s"),
    Modality("ctp", "CTP", "ses-01", "HU", is_4d=True),
    Modality("lesion_mask", "Lesion (truth)", "ses-02", is_mask=True),
    Modality("lvo_mask", "LVO mask", "ses-01", is_mask=True),
    Modality("cow_segmentation", "Circle of Willis", "ses-01", is_mask=True),
)
MODALITIES: dict[str, Modality] = {m.name: m for m in _ALL}  # in the order of the screen
TRUTH = "lesion_mask"

_CASE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")


def check_case_id(text: str) -> str:
    """The id itself, if it is one that may appear in paths and addresses.

    Raises:
        CaseNotFound: it is empty, too long, or holds a separator or "..".
    """
    if not _CASE_ID.fullmatch(text) or ".." in text:
        raise CaseNotFound("that is not a case id", hint="choose a case from the list")
    return text


@dataclass(frozen=True)
class Clinical:
    """Clinical scalars; None is unknown.

    Attributes:
        age: years.
        sex: "F", "M" or None.
        nihss_admission: NIH Stroke Scale at admission, 0–42.
        mrs_admission, mrs_3month: modified Rankin Scale, 0–6.
    """

    age: float | None = None
    sex: str | None = None
    nihss_admission: float | None = None
    mrs_admission: float | None = None
    mrs_3month: float | None = None


@dataclass(frozen=True)
class CaseRef:
    """What is known of a case without reading an image.

    Attributes:
        case_id: unique in its source, passed `check_case_id`.
        clinical: scalars, unknown ones None.
        modalities: names of the images that exist, in MODALITIES' order; None when nobody has looked yet.
        sizes: bytes to fetch (or on disk) per modality, where known.
        note: one sentence for the screen, e.g. "no lesion"; "" for none.
    """

    case_id: str
    clinical: Clinical = Clinical()
    modalities: tuple[str, ...] | None = None
    sizes: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        check_case_id(self.case_id)


def in_screen_order(names: set[str] | frozenset[str]) -> tuple[str, ...]:
    """Known modality names in the order of MODALITIES."""
    return tuple(name for name in MODALITIES if name in names)
