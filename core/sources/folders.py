"""Which cases a folder holds, judged by names alone.

Walks a tree by scandir and groups its image files into cases: by `sub-*` where that is in the path, else by folder.
Opens no file, follows no link out of the tree, and leaves out hidden things and our own results.
"""

from __future__ import annotations

import os
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from core.case import MODALITIES
from core.errors import BadSource, FetchCancelled
from core.sources.naming import choose, modality_of
from core.sources.protocol import Cancelled, never

_MOST_ENTRIES = 300_000
_DEEPEST = 8
_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+")
_INNER = re.compile(r"(ses-\w+|anat|dwi|perf|ct|perfusion-maps|raw_data|derivatives|train)", re.IGNORECASE)


@dataclass(frozen=True)
class CaseFolder:
    """One case's files.

    Attributes:
        files: modality -> path.
        sizes: modality -> bytes.
        tables: workbooks with clinical values.
    """

    case_id: str
    files: dict[str, Path]
    sizes: dict[str, int]
    tables: tuple[Path, ...] = field(default=())


def find_cases(folder: Path, cancelled: Cancelled = never) -> tuple[CaseFolder, ...]:
    """All cases below a folder, sorted by id.

    Raises:
        BadSource: the folder cannot be read, is far too large, or holds no case.
        FetchCancelled.
    """
    sizes = _walk(folder, cancelled)
    groups: defaultdict[str, list[str]] = defaultdict(list)
    tables: defaultdict[str, list[Path]] = defaultdict(list)
    for name in sizes:
        if modality_of(name) is not None:
            groups[_owner(name)].append(name)
        elif re.search(r"_(demographic_baseline|outcome)\.xlsx$", name) and (subject := _SUBJECT.search(name)):
            tables[subject[0]].append(folder / name)
    chosen = {owner: files for owner, names in groups.items() if _has_image(files := choose(sorted(names)))}
    if not chosen:
        raise BadSource(
            "the folder holds no case", hint="choose a folder with sub-*/… or with CASE/dwi.nii.gz and CASE/adc.nii.gz"
        )
    ids = _ids(sorted(chosen), folder.name)
    return tuple(
        CaseFolder(
            case_id,
            {modality: folder / name for modality, name in chosen[owner].items()},
            {modality: sizes[name] for modality, name in chosen[owner].items()},
            tuple(sorted(tables.get(owner, ()))),
        )
        for case_id, owner in sorted((case_id, owner) for owner, case_id in ids.items())
    )


def _has_image(files: dict[str, str]) -> bool:
    return any(not MODALITIES[name].is_mask for name in files)


def _walk(top: Path, cancelled: Cancelled) -> dict[str, int]:
    """Relative "/"-path -> size of every visible file of the tree."""
    inside = top.resolve()
    found: dict[str, int] = {}
    seen = {inside}
    waiting = [(top, PurePosixPath(), 0)]
    entries = 0
    while waiting:
        if cancelled():
            raise FetchCancelled("stopped while looking through the folder", hint="open it again to go on")
        folder, relative, depth = waiting.pop()
        try:
            with os.scandir(folder) as scan:
                listed = [entry for entry in scan if not entry.name.startswith(".")]
        except OSError as error:
            if depth == 0:
                raise BadSource(f"the folder cannot be read ({error.strerror})", hint="check its path") from None
            continue
        entries += len(listed)
        if entries > _MOST_ENTRIES:
            raise BadSource("the folder holds far too many files", hint="choose the data set's own folder")
        for entry in listed:
            name = relative / entry.name
            if _ours(name) or (real := _real(entry, inside)) is None:
                continue
            if entry.is_file():
                found[name.as_posix()] = entry.stat().st_size
            elif entry.is_dir() and depth < _DEEPEST and real not in seen:
                seen.add(real)
                waiting.append((Path(entry.path), name, depth + 1))
    return found


def _ours(name: PurePosixPath) -> bool:
    return name.name.lower().startswith("strokescope") and name.parent.name.lower() == "derivatives"


def _real(entry: os.DirEntry[str], inside: Path) -> Path | None:
    """Where an entry really is, None when that is outside the tree or nowhere."""
    path = Path(entry.path)
    if not entry.is_symlink():
        return path
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        return None
    return real if real.is_relative_to(inside) else None


def _owner(name: str) -> str:
    """What files of one case have in common: their `sub-*`, or else the folder above session and kind folders."""
    subject = _SUBJECT.search(name)
    if subject:
        return subject[0]
    parts = list(PurePosixPath(name).parts[:-1])
    while parts and _INNER.fullmatch(parts[-1]):
        parts.pop()
    return "/".join(parts)


def _ids(owners: list[str], folder_name: str) -> dict[str, str]:
    """Owner -> case id: the folder's own name, with the folders above it where two would be the same."""
    last = {owner: _clean(owner.rsplit("/", 1)[-1] or folder_name) for owner in owners}
    names = list(last.values())
    whole = {
        owner: last[owner] if names.count(last[owner]) == 1 else _clean(owner.replace("/", ".")) for owner in owners
    }
    taken: set[str] = set()
    for owner in owners:
        name, number = whole[owner], 2
        while whole[owner] in taken:
            whole[owner], number = f"{name}-{number}", number + 1
        taken.add(whole[owner])
    return whole


def _clean(name: str) -> str:
    """A case id (core.case) made of a folder's name."""
    plain = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._+-]", "-", name)).lstrip("._+-")
    return plain[:90] or "case"
