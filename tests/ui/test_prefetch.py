"""Which neighbours are fetched ahead."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.case import CaseRef
from core.ui.prefetch import LARGEST, Ahead, neighbours_to_get, worth_getting

NAMES = ("dwi", "adc", "lesion_mask")
IDS = [f"case-{n}" for n in range(5)]


def case(case_id: str, size: int = 10**6) -> CaseRef:
    return CaseRef(case_id, modalities=NAMES, sizes=dict.fromkeys(NAMES, size))


CASES = {i: case(i) for i in IDS}


def nothing(case_id: str) -> frozenset[str]:
    return frozenset()


def test_next_then_previous_then_the_one_after() -> None:
    assert neighbours_to_get(IDS, "case-2", CASES, nothing) == tuple(Ahead(f"case-{n}", NAMES) for n in (3, 1, 4))
    assert [a.case_id for a in neighbours_to_get(IDS, "case-4", CASES, nothing)] == ["case-3"]
    assert neighbours_to_get(IDS, "elsewhere", CASES, nothing) == ()


def test_what_is_here_or_too_large_is_left_alone() -> None:
    cases = {**CASES, "case-1": case("case-1", LARGEST)}
    found = neighbours_to_get(IDS, "case-2", cases, lambda i: frozenset(NAMES if i == "case-3" else ()))
    assert [a.case_id for a in found] == ["case-4"]


def test_unknown_sizes_are_not_worth_a_guess_and_unknown_cases_are_asked_first() -> None:
    assert worth_getting(CaseRef("a", modalities=NAMES), ()) == ()
    assert neighbours_to_get(IDS[:2], "case-0", {}, nothing) == (Ahead("case-1", None),)


def test_the_neighbours_come_with_the_images_that_were_chosen() -> None:
    wide = CaseRef("case-1", modalities=(*NAMES, "ncct", "tmax"), sizes=dict.fromkeys((*NAMES, "ncct", "tmax"), 10))
    (ahead,) = neighbours_to_get(IDS[:2], "case-0", {"case-1": wide}, nothing, ("ncct", "tmax"))
    assert ahead.names == ("ncct", "tmax")


@given(st.integers(0, 4), st.sets(st.sampled_from(IDS)), st.lists(st.integers(-6, 6), max_size=5))
def test_never_the_case_itself_nor_one_that_is_here(at: int, here: set[str], steps: list[int]) -> None:
    steps = [s for s in steps if s]
    found = neighbours_to_get(IDS, IDS[at], CASES, lambda i: frozenset(NAMES if i in here else ()), steps=steps)
    assert not {a.case_id for a in found} & ({IDS[at]} | here)
