"""Kept results of a case on the Segment page: listed, shown by address, compared side by side, never another case's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Checkbox

from core.segmentation.kept import Results
from core.segmentation.kept_record import KeptResult
from core.ui import results_words
from core.ui.results_words import offer, picked, rules_for, telling_apart
from core.ui.state import Place
from tests.ui.kept_results import keep
from tests.ui.pages import open_app, page, until, viewer, words

SEGMENT = "2_Segment.py"


def query(app: AppTest, name: str) -> str:
    """A query parameter as the address bar has it."""
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def ticks(app: AppTest) -> list[Checkbox]:
    """The checkboxes of the list, in its order."""
    return [box for box in app.checkbox if str(box.key).startswith("tick-")]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeptResult, KeptResult]:
    folder = tmp_path_factory.mktemp("two")
    keys = keep(folder, score=True), keep(folder, 2, seed=5.0)
    first, second = (Results(folder / "cache").get(key) for key in keys)
    assert first is not None and second is not None
    return first, second


def test_what_an_address_means(two: tuple[KeptResult, KeptResult]) -> None:
    a, b = two
    found: dict[str, KeptResult | None] = {a.key: a, b.key: b, "0" * 32: None}

    def mean(result: str | None, against: str | None = None, case: str = "sample-01") -> results_words.Picked:
        return picked(Place("sample", case, (), result, against), found, "sample", case)

    assert mean(None) == results_words.Picked()
    assert mean(a.key) == results_words.Picked(a)
    assert mean(a.key, "truth").against == "truth"
    assert mean(a.key, b.key).against == b
    assert (mean("").trouble, mean("0" * 32).trouble) == (results_words.NONE, results_words.GONE)
    assert mean(a.key, case="sample-02") == results_words.Picked(trouble=results_words.ELSEWHERE)
    assert mean(a.key, "0" * 32) == results_words.Picked(a, None, results_words.GONE)
    assert "itself" in mean(a.key, a.key).trouble


def test_what_is_offered_for_ticks(two: tuple[KeptResult, KeptResult]) -> None:
    a, b = two
    none, one, pair = offer([], True), offer([a], True), offer([a, b], True)
    assert (none.show, none.compare, none.join, none.delete) == (False,) * 4
    assert (one.show, one.truth, one.compare, one.join, one.delete) == (True, True, False, False, True)
    assert not offer([a], False).truth
    assert (pair.show, pair.truth, pair.compare, pair.join) == (False, False, True, True)
    assert "6 results at most" in offer([a] * 7, True).why_not and not offer([a] * 7, True).join
    joined = replace(a, result=replace(a.result, engine="consensus"))
    assert not offer([joined, b], True).join and "consensus" in offer([joined, b], True).why_not


def test_the_mean_needs_probabilities_that_begin_at_one_half(two: tuple[KeptResult, KeptResult]) -> None:
    a, b = two
    assert rules_for([a, a]) == ("majority", "mean")
    assert rules_for([a, b]) == ("majority",)
    assert rules_for([a, replace(a, result=replace(a.result, threshold=0.4))]) == ("majority",)


def test_two_results_never_have_one_name(two: tuple[KeptResult, KeptResult]) -> None:
    a, b = two
    assert telling_apart(a, b) == ("diffusion 1.1", "diffusion 1.1 · z_seed 5")
    assert telling_apart(a, a) == ("diffusion 1.1 (A)", "diffusion 1.1 (B)")
    other = replace(b, result=replace(b.result, engine="deepisles"))
    assert telling_apart(a, other) == ("diffusion 1.1", "deepisles 1.1")


def test_an_address_shows_a_kept_result_which_the_list_names_and_nobody_removes(world: Path) -> None:
    hidden, key = keep(world, case="sample-02"), keep(world, seed=5.0)
    app = page(open_app(source="sample", case="sample-01", result=key), SEGMENT)
    shown = viewer(app)
    assert shown is not None and shown["view"]["title"] == "sample-01"
    assert "Run again" not in words(app) and not app.exception
    assert query(app, "result") == key
    (one,) = ticks(app)
    assert one.label == r"diffusion 1.1 · z\_seed 5 · **on screen**"
    other = Results(world / "cache")
    other.clear()
    assert other.get(key) is not None and other.get(hidden) is None


def test_ticks_compare_two_and_delete_one_after_a_second_press(world: Path) -> None:
    first, second = keep(world, 2, seed=5.0), keep(world)
    app = page(open_app(source="sample", case="sample-01"), SEGMENT)
    assert [one.label.rpartition(" · ")[2] for one in ticks(app)] == ["defaults", r"z\_seed 5"]  # newest first
    assert app.button(key="results-show").disabled and app.button(key="results-delete").disabled
    for one in ticks(app):
        one.check()
    app.run()
    assert app.button(key="results-show").disabled
    app.button(key="results-compare").click().run()
    assert (query(app, "result"), query(app, "against")) == (second, first) and not app.exception
    assert not any(one.value for one in ticks(app))

    ticks(app)[1].check().run()
    app.button(key="results-delete").click().run()
    kept = Results(world / "cache")
    assert kept.get(first) is not None
    app.button(key="results-delete-yes").click().run()
    assert kept.get(first) is None and kept.get(second) is not None
    assert "against" not in app.query_params and query(app, "result") == second
    assert "Deleted" in words(app) and len(ticks(app)) == 1


def test_a_consensus_is_followed_below_the_list_until_it_stands_in_it(world: Path) -> None:
    keep(world, 2, seed=5.0)
    keep(world)
    app = page(open_app(source="sample", case="sample-01"), SEGMENT)
    for one in ticks(app):
        one.check()
    app.run()
    app.button(key="results-join").click().run()
    until(app, lambda app: len(ticks(app)) == 3)
    assert "is the first of the list" in words(app) and "goes through the queue" not in words(app)
    assert "consensus" in ticks(app)[0].label and not app.exception


def test_what_the_list_says_of_a_result(two: tuple[KeptResult, KeptResult]) -> None:
    a, _ = two
    assert results_words.label(a) == "diffusion 1.1 · defaults"
    named = replace(a, model="hub:some_one/[x](y)@" + "0" * 40)
    assert results_words.label(named) == r"diffusion 1.1 · some\_one/\[x\]\(y\)"
    told = results_words.figures_html(replace(a, made=0.0), core=False, zone=timezone(timedelta(hours=2)))
    assert ">1 Jan 02:00<" in told and ">1 lesion<" in told
    assert f">{a.result.volume_ml:.2f} ml<" in told and ">core" not in told
    core = replace(a, result=replace(a.result, core_volume_ml=1.5, lesion_count=2))
    assert ">core 1.50 ml<" in results_words.figures_html(core, core=True)
    assert ">2 lesions<" in results_words.figures_html(core, core=True)


@pytest.mark.parametrize("named", ["../../etc/passwd", "0" * 32])
def test_a_wrong_key_in_an_address_gets_one_sentence(world: Path, named: str) -> None:
    app = page(open_app(source="sample", case="sample-01", result=named), SEGMENT)
    said = [str(w.value) for w in app.warning if "The address" in str(w.value) or "the address" in str(w.value)]
    assert len(said) == 1 and not app.exception
    assert "passwd" not in words(app) and "result" not in app.query_params
    app.button(key="results-dismiss").click().run()
    assert not [w for w in app.warning if "ddress" in str(w.value)]


def test_a_result_of_another_case_is_not_shown(world: Path) -> None:
    key = keep(world, case="sample-02")
    app = page(open_app(source="sample", case="sample-01", result=key), SEGMENT)
    assert results_words.ELSEWHERE in words(app)
    shown = viewer(app)
    assert shown is not None and all("prediction" not in o["color"] for o in shown["view"]["overlays"])


def test_two_results_side_by_side_with_numbers_of_both(world: Path) -> None:
    a, b = keep(world), keep(world, 2, seed=5.0)
    app = page(open_app(source="sample", case="sample-01", result=a, against=b), SEGMENT)
    until(app, lambda app: "Dice between the two" in words(app) and "…" not in words(app))
    shown = viewer(app)
    assert shown is not None
    one, two = shown["view"]["panels"]
    assert one["url"] == two["url"] and one["session"] != two["session"]
    assert [o["color"] for o in (*one["overlays"], *two["overlays"])] == ["prediction", "prediction"]
    assert one["overlays"][0]["url"] != two["overlays"][0]["url"] and shown["view"]["overlays"] == []
    text = words(app)
    for name in ("Segmented volume", "Lesion F1 ’24", "HD95", "Only in A", "z_seed 5", "not a medical device"):
        assert name in text
    app.button_group(key="compare-look").set_value("Where they differ").run()
    shown = viewer(app)
    assert shown is not None
    (where,) = shown["view"]["overlays"]
    assert where["kind"] == "differ3" and where["names"][0].startswith("only A")
    app.button(key="compare-end").click().run()
    assert "against" not in app.query_params and query(app, "result") == a


def test_a_result_against_the_truth(world: Path) -> None:
    key = keep(world, 2)
    app = page(open_app(source="sample", case="sample-01", result=key, against="truth"), SEGMENT)
    until(app, lambda app: "Surface Dice" in words(app) and "…" not in words(app))
    shown = viewer(app)
    assert shown is not None
    colours = [o["color"] for panel in shown["view"]["panels"] for o in panel["overlays"]]
    assert colours == ["prediction", "truth"]
    assert query(app, "against") == "truth"
    about = [str(m.proto.help) for m in app.markdown if "Against the truth" in m.value]
    assert len(about) == 1 and "painted into generated heads" in about[0] and "ISLES" not in about[0]


def test_a_result_of_other_images_is_named_as_that_and_never_shown_over_these(world: Path) -> None:
    key, mine = keep(world, 2, other=True), keep(world, seed=5.0)
    app = page(open_app(source="sample", case="sample-01", result=key), SEGMENT)
    until(app, lambda app: results_words.OTHERS in words(app))
    shown = viewer(app)
    assert shown is not None and all("prediction" not in o["color"] for o in shown["view"]["overlays"])
    assert "result" not in app.query_params and not app.exception
    (old,) = [one for one in ticks(app) if results_words.OTHER in one.label]
    old.check().run()
    for name in ("show", "truth", "compare", "join"):
        assert app.button(key=f"results-{name}").disabled
    assert "can only be deleted" in words(app)
    app.button(key="results-delete").click().run()
    app.button(key="results-delete-yes").click().run()
    kept = Results(world / "cache")
    assert kept.get(key) is None and kept.get(mine) is not None


def test_a_result_is_never_compared_with_one_of_other_images(world: Path) -> None:
    key, other = keep(world), keep(world, 2, other=True)
    app = page(open_app(source="sample", case="sample-01", result=key, against=other), SEGMENT)
    until(app, lambda app: results_words.OTHERS in words(app))
    assert query(app, "result") == key and "against" not in app.query_params
