"""Any BIDS-like tree: rows by subject and session, columns as its names tell.

One image column per suffix (`bold`), with the space, description and label of derivatives before it
(`desc-lesion_mask` -> lesion_mask); one scalar column per column of participants.tsv. Opens only that table and
dataset_description.json.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from core.publish.choosing import Chooser
from core.publish.findings import Trouble
from core.publish.participants import People, is_id, people_of, read_licence, read_table
from core.publish.rows import FileRef, Found, Listing, Row, is_nifti, natural, stem
from core.publish.schema import Column, Schema
from core.publish.tables import Table
from core.publish.values import Wanted, kind_of, label_key

_LEFT_OUT = re.compile(r"(^|/)(sourcedata|code)/|(^|/)derivatives/strokescope[^/]*/", re.IGNORECASE)
_MASKS = re.compile(r"(^|_)(mask|msk|dseg|roi|seg|lesion)$")
_HEADS = frozenset({"t1w", "t2w", "flair", "pdw", "t2starw", "unit1", "angio", "ct", "ncct", "cta", "t1", "t2"})
_TOLD = ("space", "desc", "label")


@dataclass(frozen=True)
class _Image:
    """One image's place: who it shows, when, by which pipeline it was derived ("" for raw), and what it is."""

    file: FileRef
    subject: str
    session: str
    pipeline: str
    what: str

    @property
    def row_id(self) -> str:
        return f"{self.subject}_{self.session}" if self.session else self.subject


def read(listing: Listing, schema: Schema, pause: Callable[[], None]) -> Found:
    """The rows of a tree, one per session, or per subject where there are no sessions; `pause` may raise to stop."""
    chooser = Chooser()
    images = _images(listing, chooser, pause)
    names = _names(images)
    places = {image.row_id: (image.subject, image.session) for image in images}
    for image in images:
        chooser.add(image.row_id, names[image.pipeline, image.what], image.file)
    columns = _image_columns(sorted(set(names.values())), chooser)
    table, troubles = read_table(listing)
    scalars = _scalar_columns(table, {column.name for column in columns}, pause)
    here = {subject for subject, _ in places.values()}
    people, found = people_of(table, scalars, here, pause)
    troubles += [*chooser.troubles, *found, *people.unmatched(here)]
    with_sessions = any(session for _, session in places.values())
    schema = replace(
        schema,
        columns=(*_ids(with_sessions), *columns, *(Column(name, want.kind) for name, want in scalars.items())),
        unit="session" if with_sessions else "subject",
    )
    rows, more = _rows(places, chooser, people, schema, pause)
    licence, about, odd = read_licence(listing)
    tables = (*about, *(path for path in ("participants.tsv",) if path in listing.files))
    spare = {*chooser.second, *(path for path in listing.files if is_nifti(path) and _LEFT_OUT.search(path))}
    return Found(schema, rows, (*troubles, *more, *odd), tables, tuple(sorted(spare)), licence)


def _rows(
    places: dict[str, tuple[str, str]], chooser: Chooser, people: People, schema: Schema, pause: Callable[[], None]
) -> tuple[tuple[Row, ...], list[Trouble]]:
    rows, troubles = [], []
    for row_id in sorted(places, key=natural):
        pause()
        subject, session = places[row_id]
        files, found = chooser.row(row_id, schema)
        values = {**people.values_of(subject), "subject_id": subject, "session_id": session or None}
        rows.append(Row(row_id, files, {column.name: values.get(column.name) for column in schema.scalars}))
        troubles += found
    return tuple(rows), troubles


def _images(listing: Listing, chooser: Chooser, pause: Callable[[], None]) -> list[_Image]:
    images = []
    for file in listing.files.values():
        pause()
        image = _image(file, chooser)
        if image is not None:
            images.append(image)
    return images


def _image(file: FileRef, chooser: Chooser) -> _Image | None:
    """Where an image belongs, by its folders and its name; None for what belongs to nobody."""
    if not is_nifti(file.path) or _LEFT_OUT.search(file.path):
        return None
    folders, tokens = file.path.split("/")[:-1], stem(file.path).split("_")
    subject = _first(reversed(folders), "sub-") or _first(tokens, "sub-")
    session = _first(reversed(folders), "ses-") or _first(tokens, "ses-")
    if not subject:
        return None
    if any(named not in ("", belongs) for named, belongs in _said(tokens, subject, session)):
        chooser.misnamed(file.path, stem(file.path), f"{subject}_{session}_" if session else f"{subject}_")
        return None
    at = folders.index("derivatives") + 1 if "derivatives" in folders else None
    derived = at is not None and at < len(folders) and not folders[at].startswith("sub-")
    pipeline = "" if at is None else _slug(folders[at]) if derived else "derivative"
    entities = dict(token.partition("-")[::2] for token in tokens[:-1])
    told = [entities[key] for key in _TOLD if key in entities] if pipeline else []
    return _Image(file, subject, session, pipeline, _slug("_".join([*told, tokens[-1]])))


def _said(tokens: list[str], subject: str, session: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (_first(tokens, "sub-"), subject), (_first(tokens, "ses-"), session)


def _first(names: Iterable[str], start: str) -> str:
    return next((name for name in names if name.startswith(start) and len(name) > len(start)), "")


def _names(images: list[_Image]) -> dict[tuple[str, str], str]:
    """(pipeline, what) -> column name: `what` for raw images, and for derivatives where nobody else has it."""
    kinds = sorted({(image.pipeline, image.what) for image in images})
    names: dict[tuple[str, str], str] = {}
    for pipeline, what in kinds:
        rivals = [other for other, same in kinds if same == what and other != pipeline]
        wanted = f"{pipeline}_{what}" if pipeline and rivals else what
        names[pipeline, what] = _unused(wanted, {"subject_id", "session_id", *names.values()})
    return names


def _image_columns(names: list[str], chooser: Chooser) -> tuple[Column, ...]:
    plain = tuple(name for name in names if not _MASKS.search(name))
    return tuple(
        Column(
            name,
            "images" if chooser.most(name) > 1 else "image",
            like=plain if _MASKS.search(name) else (),
            head=name in _HEADS,
        )
        for name in names
    )


def _scalar_columns(table: Table | None, taken: set[str], pause: Callable[[], None]) -> dict[str, Wanted]:
    """The table's columns but its first, by the name that they get."""
    found: dict[str, Wanted] = {}
    for head in table.heads if table else ():
        pause()
        if is_id(head) or not label_key(head):
            continue
        name = _unused(_slug(head, "column"), {"subject_id", "session_id", *taken, *found})
        cells = [line.get(head) for line in (table.rows if table else ())]
        found[name] = Wanted(name, (head,), kind_of(cells))
    return found


def _ids(with_sessions: bool) -> tuple[Column, ...]:
    subject = Column("subject_id", "string", required=True)
    return (subject, Column("session_id", "string")) if with_sessions else (subject,)


def _unused(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    return found


def _slug(text: str, otherwise: str = "image") -> str:
    return "_".join(re.findall(r"[a-z0-9]+", text.lower())) or otherwise
