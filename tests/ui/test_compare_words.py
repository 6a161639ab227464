"""What a comparison and the row say in words: dashes have their reason, a brought model its own name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from core.segmentation.engine import load_engine
from core.segmentation.kept import Results
from core.segmentation.kept_record import LOCAL, KeptResult
from core.ui import compare_words
from core.ui.engine_view import standing
from tests.ui.kept_results import keep


@pytest.fixture
def kept(tmp_path: Path) -> KeptResult:
    """A result whose engine tells no core."""
    found = Results(tmp_path / "cache").get(keep(tmp_path))
    assert found is not None
    return found


def test_a_core_that_is_not_told_is_a_dash_with_its_reason(kept: KeptResult) -> None:
    cored = replace(kept.result, core_volume_ml=3.0)
    (core,) = [r for r in compare_words.result_rows(cored, kept.result) if r.label == "Core, ml"]
    assert (core.first, core.second, core.difference) == ("3.00", "–", "–")
    assert "diffusion cannot tell it" in core.why
    (core,) = [r for r in compare_words.result_rows(cored, cored) if r.label == "Core, ml"]
    assert (core.difference, "cannot" in core.why) == ("0.00", False)


def test_the_table_says_which_column_is_whose(kept: KeptResult) -> None:
    rows = compare_words.result_rows(kept.result, kept.result)
    told = compare_words.table_html(rows, ("diffusion 1.1", "<b>Quick</b> 1.0"))
    assert "<b>B</b> · &lt;b&gt;Quick&lt;/b&gt; 1.0" in told and '<th scope="col">B − A</th>' in told
    assert "None" not in told


def test_a_brought_model_is_told_by_its_own_name_and_version(kept: KeptResult) -> None:
    made = replace(kept.result, engine="network", engine_version="2.0+87ea4bffff00.123456")
    brought = replace(kept, result=made, label="Quick (x) (onnx, a model that you brought)", model=LOCAL)
    assert (brought.title, brought.changes) == ("Quick (x) 2.0+87ea4b", "")
    hub = replace(brought, model="hub:some/model@" + "0" * 40)
    assert (hub.title, hub.changes) == ("Quick (x) 2.0+87ea4b", "some/model")
    assert kept.title == "diffusion 1.1"


def test_the_row_says_whether_an_engine_was_validated() -> None:
    assert standing(load_engine("diffusion").info) == "not validated"
    assert standing(load_engine("deepisles").info) == "validated elsewhere"
