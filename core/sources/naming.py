"""Which modality a file is, judged by its name alone.

Knows the ISLES'24 and ISLES'22 names, BIDS-like names and plain `dwi.nii.gz`. Only the end of a name counts, so that
`sub-dwi01_adc.nii.gz` is an ADC; a name that could be two things is neither. Does not open files.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from core.case import MODALITIES, SESSION_LABELS

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
    first by name. All MRI comes from one session, and all CT: the modality's own, or the one with the most images.
    Of two masks that fit equally well neither is chosen, for one may be a prediction. Hidden files and our own
    derivatives are never chosen.

    Args:
        paths: "/"-separated, of one case.
    """
    offers: dict[str, list[str]] = {}
    for path in paths:
        modality = None if _OURS.search(path) else modality_of(path)
        if modality is not None:
            offers.setdefault(modality, []).append(path)
    for group in SESSION_LABELS:
        names = [name for name in offers if MODALITIES[name].session == group]
        kept = _session_of_most([path for name in names for path in offers[name]], group)
        for name in names:
            offers[name] = [path for path in offers[name] if _session(path) in (None, kept)]
    chosen = {name: _best(fits, MODALITIES[name].is_mask) for name, fits in offers.items()}
    return {name: found for name in MODALITIES if (found := chosen.get(name)) is not None}


def _session(path: str) -> str | None:
    found = re.search(r"(?:^|[/_])(ses-[a-z0-9]+)", path.lower())
    return found[1] if found else None


def _session_of_most(paths: Sequence[str], own: str) -> str | None:
    """The session that has most kinds of image; of equals `own`, then the first by name."""
    kinds: dict[str, set[str | None]] = {}
    for path in paths:
        session = _session(path)
        if session is not None:
            kinds.setdefault(session, set()).add(modality_of(path))
    return min(kinds, key=lambda name: (-len(kinds[name]), name != own, name), default=None)


def _best(paths: Sequence[str], is_mask: bool) -> str | None:
    ranked = sorted((_preference(path), path) for path in paths)
    tied = len(ranked) > 1 and ranked[0][0] == ranked[1][0]
    return None if not ranked or (is_mask and tied) else ranked[0][1]


def _preference(path: str) -> tuple[int, int]:
    """Smaller is better."""
    name = path.rsplit("/", 1)[-1].lower()
    space = 0 if "_space-ncct_" in name else 2 if "space-" in name else 1
    return space, int(not name.endswith(".gz"))
