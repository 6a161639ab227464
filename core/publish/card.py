"""Card: a dataset's README.md: what its columns are, how many there are, whose it is and how to cite it.

Written between two marks, and as some keys of the metadata; whatever a person wrote beside them stays as it is. Decides
texts only; finish.py sends them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from core.publish.credit import NOBODY, Credit, credit_in, plain
from core.publish.front import blocks, merged, quoted, split
from core.publish.schema import Column, Kind, Schema
from core.publish.view import View

FRAME = "Research use only, not a medical device."
CREDIT = "credit"  # a note: whom the source's description names, as credit.py keeps it
BEGIN, END = "<!-- strokescope: begin -->", "<!-- strokescope: end -->"
_TYPES: dict[Kind, tuple[str, str]] = {
    "image": ("dtype", "nifti"),
    "images": ("list", "nifti"),
    "string": ("dtype", "string"),
    "float": ("dtype", "float64"),
    "int": ("dtype", "int64"),
}
_WORDS: dict[Kind, str] = {
    "image": "NIfTI image, or null",
    "images": "list of NIfTI images, or null",
    "string": "text",
    "float": "number",
    "int": "whole number",
}


@dataclass(frozen=True)
class About:
    """What a card tells.

    Attributes:
        licence: as the Hub writes it; "" if nobody says.
        present: column -> rows that have it; empty if nobody counted.
        bytes: of all shards.
        credit: whom the source's description names.
    """

    schema: Schema
    repo: str
    licence: str
    rows: int
    shards: int
    bytes: int
    present: Mapping[str, int]
    credit: Credit = NOBODY

    @property
    def title(self) -> str:
        """The dataset's name; "" if nobody gave it one."""
        return self.schema.title or self.credit.name


def about(view: View, licence: str = "", present: Mapping[str, int] | None = None) -> About:
    """What a staging folder's card tells.

    Args:
        licence: "" for the source's.
    """
    shards = view.shards
    schema = view.header.schema
    rows = sum(len(shard.rows) for shard in shards)
    size = sum(shard.bytes or shard.expected_bytes for shard in shards)
    told = (schema, view.identity.repo, licence or schema.licence, rows, len(shards), size, present or {})
    return About(*told, credit_in(view.notes.get(CREDIT)))


def card(about: About, existing: str = "") -> str:
    """The README.md: ours, inside what is there already."""
    front, body = split(existing)
    return f"---\n{merged(front, metadata(about))}---\n{_placed(body, text(about))}"


def tells(about: About, existing: str) -> bool:
    """Whether a README.md tells what ours must: our part, whose data it is made of, under which licence."""
    kept = dict(blocks(split(existing)[0]))
    wanted = {key: lines for key, lines in metadata(about).items() if key != "pretty_name"}
    return text(about) in existing and all(kept.get(key) == lines for key, lines in wanted.items())


def metadata(about: About) -> dict[str, str]:
    """The keys that are ours, each with its lines."""
    split, schema = about.schema.split, about.schema
    features = "".join(_feature(column) for column in schema.columns)
    found = {
        "pretty_name": f"pretty_name: {quoted(about.title)}\n",
        "license": f"license: {quoted(about.licence)}\n",
        "configs": (
            f"configs:\n- config_name: default\n  data_files:\n  - split: {split}\n    path: data/{split}-*.parquet\n"
        ),
        "dataset_info": (
            f"dataset_info:\n  features:\n{features}"
            f"  splits:\n  - name: {split}\n    num_bytes: {about.bytes}\n    num_examples: {about.rows}\n"
            f"  download_size: {about.bytes}\n  dataset_size: {about.bytes}\n"
        ),
    }
    unknown = ("pretty_name",) * (not about.title) + ("license",) * (not about.licence)
    return {key: lines for key, lines in found.items() if key not in unknown}


def text(about: About) -> str:
    """The part of the text that is ours, between its marks."""
    schema, credit = about.schema, about.credit
    size = f"{about.bytes / 1e9:.2f} GB" if about.bytes >= 1e8 else f"{about.bytes / 1e6:.2f} MB"
    lines = [BEGIN, f"# {plain(about.title)}" if about.title else "# Images", ""]
    lines += [f"{about.rows} {schema.unit}s, one a row, in {about.shards} Parquet shards ({size}).", "", FRAME, ""]
    lines += [f"Source: {schema.url}", ""] if schema.url else []
    lines += [f"Authors: {', '.join(map(plain, credit.authors))}", ""] if credit.authors else []
    lines += [f"Licence: {plain(about.licence)}", ""] if about.licence else []
    lines += ["| column | what | rows with it |", "|---|---|---|"]
    lines += [_line(column, about) for column in schema.columns]
    lines += ["", "```python", "from datasets import load_dataset", ""]
    lines += [f'rows = load_dataset("{about.repo}", split="{schema.split}")', "```", ""]
    cite = (*schema.cite, *map(plain, credit.cite))
    if cite:
        lines += ["Please cite:", ""] + [f"- {one}" for one in cite] + [""]
    return "\n".join([*lines, END])


def _line(column: Column, about: About) -> str:
    count = about.present.get(column.name)
    return f"| `{_cell(column.name)}` | {_WORDS[column.kind]} | {'' if count is None else count} |"


def _cell(name: str) -> str:
    return name.replace("|", "\\|").replace("`", "'")


def _feature(column: Column) -> str:
    key, value = _TYPES[column.kind]
    return f"  - name: {quoted(column.name)}\n    {key}: {value}\n"


def _placed(body: str, ours: str) -> str:
    """The text with our part in place of what it was, or before everything else."""
    begin, end = body.find(BEGIN), body.rfind(END)
    if 0 <= begin < end:
        return body[:begin] + ours + body[end + len(END) :]
    return f"\n{ours}\n" + (f"\n{body.lstrip()}" if body.strip() else "")
