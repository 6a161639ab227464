"""Two results of one case, or a result and the truth, side by side: one crosshair, and the numbers of both beside it.

Each panel has its own mask, and its head says whose. Scores are processes of their own; what they are called and how
they differ is decided in compare_words.py. Never two cases on one screen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.case import MODALITIES, TRUTH, CaseRef
from core.errors import GridMismatch, StrokescopeError
from core.evaluation.records import CaseScore
from core.segmentation.kept_record import KeptResult
from core.sources.protocol import Cancelled, Fetched, LocalFile, Report, Source
from core.ui import compare_words, loaders, messages, provenance_view, reading_view, results_view, state
from core.ui.case_view import link_here
from core.ui.picture import Layer, Shown, draw_panels, truth_layer
from core.ui.result_view import figures_html, score_figures
from core.ui.results_words import Against, telling_apart
from core.ui.tasks import result_of
from core.ui.waiting import outcome, retry, told_to, watcher
from core.workflows import segment_case
from core.workflows.explore_case import session_label
from core.workflows.origin import origin_of
from core.workflows.segment_case import Scored

SIDE, DIFFER = "Side by side", "Where they differ"


@dataclass(frozen=True)
class Pair:
    """What is compared, and what a score of it is called.

    Attributes:
        second: the other mask: another result's, or the truth.
        other: the other result; None for the truth.
        key: of the score's task.
        overlap: where the label map goes.
    """

    first: KeptResult
    second: Path
    other: KeptResult | None
    key: tuple[str, str, str]
    overlap: Path


def draw(source: Source, case: CaseRef, fetched: Fetched, a: KeptResult, b_or_truth: Against) -> None:
    """The whole comparison, laid out as a result is, so that the picture stays where it was."""
    truth = fetched.files.get(TRUTH)
    pair = _pair(a, b_or_truth, truth)
    images = [name for name in ("dwi", "adc", "flair") if name in fetched.files]
    if pair is None or not images:
        lacks = (
            "ground truth to compare with. Choose another result from the list" if images else "image to draw them over"
        )
        st.warning(f"This case has no {lacks}.")
        _end()
        return
    results_view.on_screen(a.key, *(() if pair.other is None else (pair.other.key,)))
    provenance_view.style()
    left, right = st.columns(reading_view.WIDTHS, gap="small")
    with right, st.container(key="reading"):
        look, image = _controls(source, case, images)
    between, height = _known(pair), reading_view.HEIGHT
    with left:
        if look == DIFFER and between is not None:
            both = [Shown(n, fetched.files[n].path) for n in images[:2]]
            draw_panels(source, case, both, [_where(pair, between)], height)
        else:
            draw_panels(source, case, _side_by_side(source, pair, fetched.files[image], image), (), height)
    with right, st.container(key="compare-numbers"):
        files = {name: file.path for name, file in fetched.files.items()}
        _numbers(source, case, pair, truth, origin_of(source.spec, files).about_scores)


def _pair(a: KeptResult, other: Against, truth: LocalFile | None) -> Pair | None:
    scores = a.result.mask.parent / "scores"
    if isinstance(other, KeptResult):
        key = ("compare", str(a.result.mask), str(other.result.mask))
        return Pair(a, other.result.mask, other, key, scores / f"against-{other.key}.nii.gz")
    return None if truth is None else _with_truth(a, truth)


def _with_truth(kept: KeptResult, truth: LocalFile) -> Pair:
    """A result and the truth; the task is the one that the Segment page joins."""
    overlap = kept.result.mask.parent / "scores" / f"overlap-{truth.sha256[:16]}.nii.gz"
    return Pair(kept, truth.path, None, ("score", str(kept.result.mask), truth.sha256), overlap)


def _controls(source: Source, case: CaseRef, images: list[str]) -> tuple[str, str]:
    """What is looked at: (SIDE or DIFFER, the image)."""
    look = st.segmented_control("Look", [SIDE, DIFFER], default=SIDE, required=True, label_visibility="collapsed",
                                key="compare-look", persist_state="session", width="stretch")  # fmt: skip
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="compare-row"):
        image = st.segmented_control("Image", images, default=images[0], required=True, label_visibility="collapsed",
                                     key=f"compare-image-{case.case_id}", disabled=look == DIFFER,
                                     format_func=lambda n: MODALITIES[n].label)  # fmt: skip
        with st.popover("Link", icon=":material/link:", help="Copy a link that brings back this comparison"):
            st.code(link_here(source), language=None)
        _end()
    return look or SIDE, image or images[0]


def _end() -> None:
    st.button("End", key="compare-end", icon=":material/close:", on_click=state.go, kwargs={"against": None},
              help="End the comparison: the first result alone")  # fmt: skip


def _side_by_side(source: Source, pair: Pair, image: LocalFile, name: str) -> list[Shown]:
    """The same image twice, each with its own mask."""
    label = MODALITIES[name].label
    first, second = _heads(source, pair)
    mine = Layer(pair.first.result.mask, "prediction", f"prediction ({pair.first.title})", "prediction")
    if pair.other is None:
        theirs = truth_layer(pair.second, source.spec)
    else:
        theirs = Layer(pair.second, "other", f"prediction ({pair.other.title})", "prediction")
    letters = ("A · ", "B · ") if pair.other is not None else ("", "")
    return [
        Shown(name, image.path, f"{letters[0]}{label}", first, (mine,)),
        Shown(name, image.path, f"{letters[1]}{label}", second, (theirs,)),
    ]


def _heads(source: Source, pair: Pair) -> tuple[str, str]:
    if pair.other is not None:
        return telling_apart(pair.first, pair.other)
    return pair.first.title, f"truth · {session_label(source.spec, TRUTH, pair.second)}".removesuffix(" · ")


def _where(pair: Pair, scored: Scored) -> Layer:
    """Both masks as one map."""
    if pair.other is None:
        return Layer(scored.overlap, "overlap", "agreement", "prediction", "labels3")
    return Layer(scored.overlap, "differ", "both results", "prediction", "differ3", ("only A", "only B"))


def _numbers(source: Source, case: CaseRef, pair: Pair, truth: LocalFile | None, about: str) -> None:
    """Both columns; what is still computed is an ellipsis in its place. `about`: what scores of this source are of."""
    against = [_with_truth(kept, truth) for kept in (pair.first, pair.other) if kept is not None and truth is not None]
    wanted = list({p.key: p for p in (pair, *against)}.values())
    scores = [_score_of(p) for p in against]
    between = _score_of(pair)
    first, second = _heads(source, pair)
    if pair.other is None:
        rows = compare_words.truth_rows(pair.first.result, between)
        st.html(compare_words.table_html(rows, (first, second), ("Result", "Truth")))
        _against_truth(between, about)
    else:
        rows = compare_words.result_rows(pair.first.result, pair.other.result)
        rows += compare_words.score_rows(scores[0], scores[1]) if scores else []
        st.html(compare_words.table_html(rows, (first, second)))
        if not scores:
            st.caption("This case has no ground truth, so there is no score of either.")
        st.html(figures_html(compare_words.overlap_figures(between, (first, second))))
    _wait(source, case, wanted)
    st.caption(f"{messages.NOTICE}. Point at a line, or reach it by Tab, for its definition.")


def _against_truth(score: CaseScore | None, about: str) -> None:
    st.markdown("**Against the truth**", help=about)
    st.html(figures_html(score_figures({} if score is None else score.to_json(), "It is being computed.")))


def _wait(source: Source, case: CaseRef, wanted: list[Pair]) -> None:
    """Wait for the scores that are missing, one after the other, then draw the page anew."""
    missing = [pair for pair in wanted if _known(pair) is None]
    tasks, failed = loaders.jobs(), False
    for pair in missing:
        tasks.drop_done(pair.key)
        try:
            outcome(tasks, pair.key, "Comparing", _work(source, case, pair), unit="%")
        except GridMismatch:
            st.info("The two masks lie on different grids, so how far they overlap cannot be counted.")
            failed = True
        except StrokescopeError as error:
            messages.failure(error, f"compare-{pair.key[0]}", _again(pair))
            failed = True
    if missing and not failed:
        st.rerun()


def _again(pair: Pair) -> Callable[[], None]:
    return lambda: retry(loaders.jobs(), pair.key)


def _work(source: Source, case: CaseRef, pair: Pair) -> Callable[[Report, Cancelled], Scored]:
    settings, guard, me, results = loaders.settings(), loaders.guard(), watcher(), loaders.results()
    word = segment_case.recorded_case(settings, case.case_id, source.spec)
    folders = [pair.first.result.mask.parent, *(() if pair.other is None else (pair.second.parent,))]

    def work(report: Report, cancelled: Cancelled) -> Scored:
        with results.using(folders):
            return segment_case.score(
                settings, pair.first.result.mask, pair.second, pair.overlap, cancelled,
                case=word, guard=guard, owner=me, waiting=told_to(report, "Comparing"),
            )  # fmt: skip

    return work


def _known(pair: Pair) -> Scored | None:
    """The finished score, if there is one. Never waits."""
    task = loaders.jobs().get(pair.key)
    if task is None or task.state != "done":
        return None
    found: Scored = result_of(task)
    return found if found.overlap.is_file() else None


def _score_of(pair: Pair) -> CaseScore | None:
    known = _known(pair)
    return None if known is None else known.score
