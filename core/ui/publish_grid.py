"""Grid: every shard as a small square that shows how far it is, with a legend in words and numbers. Pure HTML.

Squares differ in shape, not in colour alone. However many shards there are, the number of squares is bounded.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from core.publish.records import State
from core.ui.style import RED

Look = Literal["wrong", "planned", "built", "sent", "proven", "freed"]
LOOKS: tuple[Look, ...] = get_args(Look)  # the furthest behind first
MOST = 2500  # squares; beyond that one stands for several shards
_MARK: dict[Look, str] = {"wrong": "w", "planned": "o", "built": "b", "sent": "s", "proven": "p", "freed": "f"}
WORDS: dict[Look, str] = {
    "wrong": "missing or different in the repository",
    "planned": "to be built",
    "built": "built, on this disk",
    "sent": "sent, not proven yet",
    "proven": "proven to be in the repository",
    "freed": "proven, and freed from this disk",
}

CSS = f"""
<style>
.scope-shards {{ --c: var(--st-primary-color, #12877a); line-height: 0; display: flex; flex-wrap: wrap; gap: 2px;
  max-width: 100%; }}
.scope-shards i, .scope-legend i {{ display: inline-block; width: 10px; height: 10px; flex: 0 0 auto;
  box-sizing: border-box; border-radius: 2px; border: 1px solid color-mix(in srgb, currentColor 45%, transparent); }}
.scope-shards.many i {{ width: 7px; height: 7px; border-radius: 1px; }}
.scope-shards .b, .scope-legend .b {{ background: linear-gradient(135deg, transparent 50%,
  color-mix(in srgb, currentColor 55%, transparent) 50%); }}
.scope-shards .s, .scope-legend .s {{ border-color: var(--c);
  background: linear-gradient(0deg, var(--c) 50%, transparent 50%); }}
.scope-shards .p, .scope-legend .p {{ border-color: var(--c); background: var(--c); }}
.scope-shards .f, .scope-legend .f {{ border-color: var(--c);
  background: radial-gradient(circle, transparent 0 25%, var(--c) 32%); }}
.scope-shards .w, .scope-legend .w {{ border: 1px solid {RED}; background:
  linear-gradient(45deg, transparent 42%, {RED} 42% 58%, transparent 58%),
  linear-gradient(-45deg, transparent 42%, {RED} 42% 58%, transparent 58%); }}
.scope-legend {{ --c: var(--st-primary-color, #12877a); display: flex; flex-wrap: wrap; gap: 0.1rem 1.1rem;
  font-size: 0.84rem; font-variant-numeric: tabular-nums; padding: 0.35rem 0 0 0; }}
.scope-legend span {{ display: inline-flex; align-items: center; gap: 0.35rem; }}
.scope-legend b {{ min-width: 1.6rem; text-align: right; font-weight: 600; }}
</style>
"""


@dataclass(frozen=True)
class Grid:
    """What is drawn.

    Attributes:
        cells: one look per square, in the shards' order.
        each: shards that a square stands for; it shows the one that is furthest behind.
        counts: shards of each look that there is.
    """

    cells: tuple[Look, ...]
    each: int
    counts: dict[Look, int]


def grid_of(states: Sequence[State], wrong: Collection[int] = (), most: int = MOST) -> Grid:
    """The squares for these shards.

    Args:
        wrong: indices of shards that the last verification found missing or different.
    """
    bad = frozenset(wrong)
    looks: list[Look] = ["wrong" if at in bad else state for at, state in enumerate(states)]
    each = max(1, -(-len(looks) // most))
    cells = tuple(min(looks[at : at + each], key=LOOKS.index) for at in range(0, len(looks), each))
    return Grid(cells, each, {look: looks.count(look) for look in LOOKS if look in looks})


def in_words(grid: Grid) -> str:
    """ "902 shards: 599 proven to be in the repository, 303 to be built"."""
    total = sum(grid.counts.values())
    said = ", ".join(f"{count} {WORDS[look]}" for look, count in reversed(grid.counts.items()))
    return f"{total} shard{'' if total == 1 else 's'}: {said}" if total else "no shards"


def squares_html(grid: Grid) -> str:
    """The squares; for who hears the page, the sentence."""
    runs = ((_MARK[look], len(list(run))) for look, run in groupby(grid.cells))
    drawn = "".join(f'<i class="{mark}"></i>' * count for mark, count in runs)
    many = " many" if len(grid.cells) > MOST // 2 else ""
    return f'<div class="scope-shards{many}" role="img" aria-label="{html.escape(in_words(grid))}">{drawn}</div>'


def legend_html(grid: Grid) -> str:
    """What each kind of square means and how many shards there are of it; always all kinds, so that nothing moves."""
    shown = [look for look in LOOKS if look != "wrong" or look in grid.counts]
    parts = [
        f'<span><i class="{_MARK[look]}"></i><b>{grid.counts.get(look, 0)}</b> {WORDS[look]}</span>' for look in shown
    ]
    if grid.each > 1:
        parts.append(f"<span>a square is {grid.each} shards and shows the one that is furthest behind</span>")
    return f'<div class="scope-legend">{"".join(parts)}</div>'
