"""The calculator on the Resources page: lines of cost, and one sentence that sums them up."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.ui import calculator
from core.workflows.step_cost import CostLine
from tests.ui.pages import open_app, page, words

FETCH = CostLine("fetching CTP", 184_000_000, 20.0, 184.0, 14.7, "fits", True)
DRAW = CostLine("drawing CTP", 0, 1900.0, 0.0, None, "fits", True)
UNKNOWN = CostLine("fetching DWI", None, None, None, None, "its size is not known", None)
REFUSED = CostLine("segmenting", 0, 3100.0, 0.0, 3.0, "needs 3.1 GB of RAM, 2.4 GB is free: close a case", False)


def test_rows_have_dashes_where_nobody_knows() -> None:
    first, second, third = calculator.cost_rows([FETCH, UNKNOWN, REFUSED])
    assert (first["fetch"], first["RAM"], first["disk"], first["seconds"], first["fits"]) == (
        "184 MB", "20.0 MB", "184 MB", "14.7", "yes",
    )  # fmt: skip
    assert {second[name] for name in ("fetch", "RAM", "disk", "seconds", "fits")} == {"–"}
    assert (third["fits"], third["why"]) == ("no", REFUSED.verdict)


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([FETCH, DRAW], "184 MB to fetch, 1.90 GB of RAM at most: fits"),
        ([FETCH, UNKNOWN], "184 MB or more to fetch, 20.0 MB of RAM at most: fits as far as is known"),
        ([DRAW, REFUSED], "0 MB to fetch, 3.10 GB of RAM at most: does not fit now: segmenting needs 3.1 GB"),
        ([], "0 MB to fetch, 0 MB of RAM at most: fits"),
    ],
)
def test_the_sum_in_words(lines: list[CostLine], told: str) -> None:
    assert calculator.in_words(lines).startswith(told)


def test_the_page_answers_for_a_case_of_the_sample(world: Path) -> None:
    app = page(open_app(source="sample", case="sample-02"), "3_Resources.py")
    assert not app.exception
    assert app.selectbox(key="cost-case").value == "sample-02"
    (table,) = [frame.value for frame in app.dataframe if "fits" in frame.value.columns]
    assert any("diffusion" in step for step in table["step"])
    assert "of RAM at most" in words(app)
    app.selectbox(key="cost-engine").select(calculator.NO_ENGINE).run()
    assert not app.exception
    (table,) = [frame.value for frame in app.dataframe if "fits" in frame.value.columns]
    assert not any("diffusion" in step for step in table["step"])
    app.multiselect(key="cost-images-sample-02").set_value([]).run()
    assert not app.exception
    assert "Choose an image or an engine." in words(app)
