"""Schema: the columns of a dataset that is to be published, and what its source should hold.

Three are known by name: isles24, arc, and bids, whose columns are found in the tree itself. Says nothing of where files
lie (isles24.py, arc.py, generic.py) and opens none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.errors import BadTree

Kind = Literal["image", "images", "string", "float", "int"]
_VALUES: dict[Kind, str] = {"string": "string", "float": "float64", "int": "int64"}
_ABOUT = 0.1  # a count that the source's authors give as "about"
_RUNS = 0.02  # a count that some give of sessions and others of runs


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        kind: "image" is one NIfTI or null, "images" a list of them or null.
        required: every row must have it.
        expected: rows of the whole dataset that have it; None when nobody says.
        tolerance: how far the count may be from that, as a part of it.
        like: columns on whose grid a mask must lie, on one of them; empty for what is no mask.
        head: shows the skin of the head, so that a face could be made from it.
    """

    name: str
    kind: Kind
    required: bool = False
    expected: int | None = None
    tolerance: float = 0.0
    like: tuple[str, ...] = ()
    head: bool = False

    @property
    def holds_images(self) -> bool:
        """Whether its cells are files."""
        return self.kind in ("image", "images")

    @property
    def is_mask(self) -> bool:
        """Whether its images mark something in another image."""
        return bool(self.like)


@dataclass(frozen=True)
class Schema:
    """What a published dataset looks like.

    Attributes:
        name: "isles24", "arc" or "bids".
        columns: in their order in the shards.
        unit: what one row is.
        licence: the source's, as the Hub writes it ("cc0-1.0"); "" when only the tree can say.
        rows, subjects: of the whole dataset; None when nobody says.
        tolerance: how far the number of rows may be from that, as a part of it.
        one_row_per_shard: whether rows get a shard each, or are packed by size.
        title, url, cite: for the dataset's card.
    """

    name: str
    columns: tuple[Column, ...]
    split: str = "train"
    unit: Literal["subject", "session"] = "subject"
    licence: str = ""
    rows: int | None = None
    subjects: int | None = None
    tolerance: float = 0.0
    one_row_per_shard: bool = True
    title: str = ""
    url: str = ""
    cite: tuple[str, ...] = ()

    @property
    def images(self) -> tuple[Column, ...]:
        """The columns that hold files."""
        return tuple(column for column in self.columns if column.holds_images)

    @property
    def scalars(self) -> tuple[Column, ...]:
        """The columns that hold text and numbers."""
        return tuple(column for column in self.columns if not column.holds_images)

    def column(self, name: str) -> Column:
        """The column of that name. Raises BadTree."""
        for column in self.columns:
            if column.name == name:
                return column
        raise BadTree(f"the schema {self.name} has no column {name}", hint="choose one of its columns")


def schema_named(name: str) -> Schema:
    """The schema of that name; that of `bids` has no columns until a tree was read.

    Raises:
        BadTree: there is none.
    """
    if name not in SCHEMAS:
        raise BadTree(f"there is no schema {name!r}", hint=f"choose one of {', '.join(SCHEMAS)}")
    return SCHEMAS[name]


def features(schema: Schema) -> dict[str, object]:
    """The value of the `huggingface` key in a shard's metadata, by which `datasets` finds images again."""
    return {"info": {"features": {column.name: _feature(column.kind) for column in schema.columns}}}


def _feature(kind: Kind) -> dict[str, object]:
    if kind == "image":
        return {"_type": "Nifti"}
    if kind == "images":
        return {"feature": {"_type": "Nifti"}, "_type": "List"}
    return {"dtype": _VALUES[kind], "_type": "Value"}


_ISLES24 = Schema(
    name="isles24",
    columns=(
        Column("subject_id", "string", required=True),
        Column("ncct", "image", required=True, expected=149, head=True),
        Column("cta", "image", required=True, expected=149, head=True),
        Column("ctp", "image", expected=140, tolerance=_ABOUT),
        *(Column(name, "image", expected=140, tolerance=_ABOUT) for name in ("tmax", "mtt", "cbf", "cbv")),
        Column("dwi", "image", required=True, expected=149),
        Column("adc", "image", required=True, expected=149),
        Column("lesion_mask", "image", required=True, expected=149, like=("dwi", "adc")),
        Column("lvo_mask", "image", expected=100, tolerance=2 * _ABOUT, like=("ncct", "cta")),
        Column("cow_segmentation", "image", expected=100, tolerance=2 * _ABOUT, like=("ncct", "cta")),
        Column("age", "float"),
        Column("sex", "string"),
        *(Column(name, "float") for name in ("nihss_admission", "mrs_admission", "mrs_3month")),
    ),
    licence="cc-by-nc-sa-4.0",
    rows=149,
    subjects=149,
    title="ISLES'24",
    url="https://doi.org/10.5281/zenodo.17652035",
    cite=("arXiv:2408.11142", "arXiv:2408.10966"),
)
_ARC = Schema(
    name="arc",
    columns=(
        Column("subject_id", "string", required=True),
        Column("session_id", "string", required=True),
        Column("t1w", "image", expected=441, tolerance=_RUNS, head=True),
        Column("t2w", "image", expected=447, tolerance=_RUNS, head=True),
        Column("flair", "image", expected=235, tolerance=_RUNS, head=True),
        Column("bold", "images", expected=850, tolerance=_RUNS),
        Column("dwi", "images", expected=613, tolerance=_RUNS),
        Column("sbref", "images", expected=88, tolerance=_RUNS),
        Column("lesion", "image", expected=230, tolerance=_RUNS, like=("t2w", "t1w", "flair")),
        Column("age_at_stroke", "float"),
        Column("sex", "string"),
        Column("wab_aq", "float"),
        Column("wab_type", "string"),
    ),
    unit="session",
    licence="cc0-1.0",
    rows=902,
    subjects=230,
    title="Aphasia Recovery Cohort (ARC)",
    url="https://openneuro.org/datasets/ds004884",
    cite=("doi:10.1038/s41597-024-03819-7",),
)
_BIDS = Schema(name="bids", columns=(), one_row_per_shard=False)
SCHEMAS = {schema.name: schema for schema in (_ISLES24, _ARC, _BIDS)}
