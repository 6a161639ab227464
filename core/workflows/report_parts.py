"""Parts of the report: style, escaping, tables. Knows HTML and nothing of segmentation (report.py)."""

from __future__ import annotations

import base64
import html
import math
import unicodedata
from collections.abc import Iterable, Sequence

LINE = 130  # letters on a line of page 2
MORE = 1  # the line that says how many more there are
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
@page { size: A4; margin: 11mm 12mm; }
* { box-sizing: border-box; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
body { margin: 0 auto; max-width: 186mm; color: #16191d; background: #fff;
  font: 8.2pt/1.32 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; font-variant-numeric: tabular-nums; }
section.page + section.page { break-before: page; font-size: 7.2pt; line-height: 1.24; }
section.page + section.page :is(td.d, .small) { font-size: 6.7pt; }
@media screen { body { padding: 6mm; max-width: 198mm; } section.page + section.page { margin-top: 12mm; } }
header { display: flex; gap: 4mm; overflow-wrap: anywhere;
  justify-content: space-between; align-items: baseline; border-bottom: 1.5pt solid #16191d;
  padding-bottom: 1mm; }
h1 { font-size: 13pt; margin: 0; flex: 3; } header span { flex: 2; text-align: right; }
h2 { font-size: 9.4pt; margin: 2.6mm 0 .8mm; }
.notice { font-weight: 700; color: #8a3c00; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .45mm 1.6mm .45mm 0; border-bottom: .4pt solid #cfd4da;
  overflow-wrap: anywhere; }
th { font-weight: 600; color: #444c55; } td.n { white-space: nowrap; font-weight: 650; }
td.k { white-space: nowrap; color: #444c55; }
td.d, .small { color: #444c55; font-size: 7.3pt; }
.slices { display: grid; gap: 1.5mm; margin-top: 1.5mm; }
figure { margin: 0; position: relative; background: #000; color: #fff; height: 60mm; display: flex; }
figure img { width: 100%; height: 100%; object-fit: contain; }
figure span { position: absolute; font-size: 7.4pt; font-weight: 600; text-shadow: 0 0 2px #000, 0 0 2px #000; }
.r { left: 1.2mm; top: 47%; } .l { right: 1.2mm; top: 47%; } .a { left: 49%; top: .6mm; }
.what { left: 1.2mm; top: .6mm; } .where { right: 1.2mm; bottom: .6mm; }
.window { left: 1.2mm; bottom: .6mm; font-weight: 400; }
.legend b { display: inline-block; width: 9mm; border-top: 1.4pt dashed #e69f00; vertical-align: middle; }
.legend b.t { border-top: 1.4pt solid #2f9bd8; margin-left: 4mm; }
ul { margin: 0; padding-left: 4mm; } p { margin: .6mm 0; }
code { font: 6.6pt ui-monospace, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
"""


def clip(text: object, most: int) -> str:
    """The text, escaped, on one line; cut with an ellipsis where it is longer than `most`."""
    plain = " ".join(str(text).split())
    return html.escape(plain if len(plain) <= most else plain[: most - 1] + "…")


def table(head: Sequence[str], rows: Iterable[Sequence[str]], classes: Sequence[str] = ()) -> str:
    """A table of cells that are HTML already."""
    top = f"<tr>{''.join(f'<th>{cell}</th>' for cell in head)}</tr>" if head else ""
    kinds = [*classes, *[""] * 12]
    body = "".join("<tr>" + "".join(map(_cell, row, kinds)) + "</tr>" for row in rows)
    return f"<table>{top}{body}</table>"


def _cell(content: str, kind: str) -> str:
    return f'<td class="{kind}">{content}</td>'


def bullets(lines: Sequence[str], room: int) -> str:
    """A list of the lines that are whole within so many lines of paper, and how many more there are."""
    shown: list[str] = []
    for line in lines:
        room -= lines_of([line])
        if room < 0:
            break
        shown.append(f"<li>{clip(line, len(line) + 1)}</li>")
    if len(lines) > len(shown):
        shown.append(f"<li>and {len(lines) - len(shown)} more, in the result's sidecar</li>")
    return f"<ul>{''.join(shown)}</ul>" if shown else "<p>None.</p>"


def lines_of(lines: Iterable[str]) -> int:
    """How many lines of paper they take on page 2, rather too many than too few; nothing is escaped yet."""
    return sum(max(1, math.ceil(sum(map(_wide, line)) / LINE)) for line in lines)


def _wide(letter: str) -> float:
    """In letters of a usual width."""
    return 2.0 if unicodedata.east_asian_width(letter) in "WF" else 1.35 if letter.isupper() else 1.0


def panel(png: bytes, what: str, where: str, window: str = "") -> str:
    """One picture with its letters; the words are HTML already."""
    data = base64.b64encode(png).decode()
    return (
        f'<figure><img alt="{what}, {where}" src="data:image/png;base64,{data}"><span class="r">R</span>'
        f'<span class="l">L</span><span class="a">A</span><span class="what">{what}</span>'
        f'<span class="where">{where}</span><span class="window">{window}</span></figure>'
    )


def page(title: str, side: str, notice: str, body: str) -> str:
    """One sheet of paper; all parts are HTML already."""
    head = f'<header><h1>{title}</h1><span>{side}</span></header><p class="notice">{notice}</p>'
    return f'<section class="page">{head}{body}</section>'


def document(title: str, pages: Sequence[str]) -> bytes:
    """The whole file, which loads nothing and runs nothing."""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head>'
        f"<body>{''.join(pages)}</body></html>\n"
    ).encode()
