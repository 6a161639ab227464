"""Which modality a file is, judged by its name alone.

Knows the ISLES'24 and ISLES'22 names, BIDS-like names and plain `dwi.nii.gz`. Only the end of a name counts, so that
`sub-dwi01_adc.nii.gz` is an ADC; a name that could be two things is neither. Does not open files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.case import MODALITIES, in_screen_order

_IMAGES = frozenset(name for name, modality in MODALITIES.items() if not modality.is_mask)
_MAPS_OF_CTP = frozenset({"tmax", "cbf", "cbv", "mtt"})
_MASK_ENDS: dict[tuple[str, ...], str] = {
    ("lesion-msk",): "lesion_mask",
    ("lesion-mask",): "lesion_mask",
    ("lesion", "msk"): "lesion_mask",
    ("lesion", "mask"): "lesion_mask",
    ("desc-lesion", "mask"): "lesion_mask",
    ("label-lesion", "mask"): "lesion_mask",
    ("lvo-msk",): "lvo_mask",
    ("lvo-mask",): "lvo_mask",
    ("lvo", "msk"): "lvo_mask",
    ("lvo", "mask"): "lvo_mask",
    ("cow-msk",): "cow_segmentation",
    ("cow-mask",): "cow_segmentation",
    ("cow", "msk"): "cow_segmentation",
    ("cow", "mask"): "cow_segmentation",
    ("cow", "segmentation"): "cow_segmentation",
}
_DERIVED = frozenset({"mask", "msk", "lesion", "lvo", "cow", "seg", "segmentation", "prob", "probseg", "dseg", "b0"})
_ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)
_ENTITY = re.compile(r"[a-z]+-[a-z0-9.+]+")
_OURS = re.compile(r"(^|/)derivatives/strokescope[^/]*/|(^|/)\.", re.IGNORECASE)


def modality_of(file_name: str) -> str | None:
    """The modality (a key of MODALITIES) of a NIfTI file's name or path, None when the name does not say it clearly."""
    name = file_name.rsplit("/", 1)[-1]
    if not _ENDING.search(name) or name.startswith("."):
        return None
    tokens = tuple(_ENDING.sub("", name).lower().split("_"))
    for length in (1, 2):
        mask = _MASK_ENDS.get(tokens[-length:])
        if mask is not None:
            return mask
    before, last = tokens[:-1], tokens[-1]
    plain = {token for token in before if not _ENTITY.fullmatch(token)}
    if last == "msk":  # ISLES'22: sub-strokecase0001_ses-0001_msk
        only_ids = before and all(token.startswith(("sub-", "ses-")) for token in before)
        return "lesion_mask" if only_ids else None
    if last not in _IMAGES or plain & _DERIVED or any(token.endswith(("-b0", "-lesion")) for token in before):
        return None
    rivals = plain & _IMAGES - {last}
    return last if not rivals or (rivals == {"ctp"} and last in _MAPS_OF_CTP) else None


def choose(paths: Sequence[str]) -> dict[str, str]:
    """The one file for each modality of one case, in the screen's order.

    Where several fit, images on the NCCT's grid (`space-ncct`) come first, then those in their own space, then the
    modality's own session, then the first by name. Hidden files and our own derivatives are never chosen.

    Args:
        paths: "/"-separated, of one case.
    """
    best: dict[str, tuple[tuple[object, ...], str]] = {}
    for path in paths:
        modality = None if _OURS.search(path) else modality_of(path)
        if modality is None:
            continue
        key = _preference(path, modality)
        if modality not in best or key < best[modality][0]:
            best[modality] = (key, path)
    return {name: best[name][1] for name in in_screen_order(best.keys() & MODALITIES.keys())}


def _preference(path: str, modality: str) -> tuple[int, int, int, str]:
    """Smaller is better."""
    name = path.rsplit("/", 1)[-1].lower()
    space = 0 if "_space-ncct_" in name else 2 if "space-" in name else 1
    session = re.search(r"ses-\w+?(?=[_/]|$)", path.lower())
    other = int(session is not None and session[0] != MODALITIES[modality].session)
    return space, other, int(not name.endswith(".gz")), path
