"""The commands `cache list` and `cache clear`: images, lists of cases, results and models on this disk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from core.cli_words import JsonOption, say
from core.settings import load_settings

cache_app = typer.Typer(no_args_is_help=True, help="Files that were fetched or made and can be again.")
KEYS = ("source", "case_id", "modality", "bytes", "unfinished")


@cache_app.command("list")
def cache_list(as_json: JsonOption = False) -> None:
    """What the cache holds, largest first: images, unfinished ones too, lists of cases, results, models."""
    cache, results, models = _kept()
    here = (*cache.entries(), *cache.unfinished(), *cache.records())
    found = [(e.source, e.case_id, e.modality, e.bytes, e.unfinished) for e in here]
    found += [("results", *_named(r), r.bytes, r.found is None) for r in results.entries()]
    found += [("models", m.name, "model", m.bytes, m.unfinished) for m in models.entries()]
    found.sort(key=lambda row: -row[3])
    total = sum(row[3] for row in found)
    rows = [dict(zip(KEYS, row, strict=True)) for row in found]

    def lines() -> Iterator[str]:
        yield f"{len(rows)} entries, {total / 1e6:.1f} MB"
        for source, case_id, modality, count, unfinished in found:
            said = "\tunfinished" if unfinished else ""
            yield f"{count / 1e6:8.1f} MB\t{source}\t{case_id}\t{modality}{said}"

    say({"total_bytes": total, "entries": rows}, as_json, lines)


@cache_app.command("clear")
def cache_clear(as_json: JsonOption = False) -> None:
    """Remove every image, list, result and model from the cache; nothing that cannot be fetched or made again."""
    freed = sum(kept.clear() for kept in _kept())
    say({"freed_bytes": freed}, as_json, lambda: iter([f"freed {freed / 1e6:.1f} MB"]))


def _named(kept: Any) -> tuple[str, str]:
    """A segmentation's case and what made it, in words."""
    found = kept.found
    if found is None:
        return kept.key, "segmentation"
    made_by = f"{found.title}, {found.changes}" if found.changes else found.title
    return found.case_id or "own files", f"segmentation by {made_by}"


def _kept() -> tuple[Any, Any, Any]:
    from core.hub.cache import Cache
    from core.segmentation.kept import Results
    from core.segmentation.model_store import ModelStore

    settings = load_settings()
    return Cache(settings.cache_dir), Results(settings.cache_dir), ModelStore(settings.cache_dir / "models")
