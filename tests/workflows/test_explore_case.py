"""What to show of a case, and what it costs."""

from hypothesis import given
from hypothesis import strategies as st

from core.case import MODALITIES, TRUTH, CaseRef
from core.sources.protocol import Listing
from core.workflows.explore_case import choose, cost_bytes, good_example, images_of, neighbour, partners

FULL = CaseRef("a", modalities=("dwi", "adc", "ncct", "tmax", "cbf", TRUTH))


def test_dwi_stands_beside_adc_with_the_truth_by_default() -> None:
    shown = choose(FULL, ())
    assert (shown.images, shown.truth) == (("dwi", "adc"), TRUTH)
    assert shown.names == ("dwi", "adc", TRUTH)


def test_sessions_are_never_mixed() -> None:
    assert choose(FULL, ("dwi", "ncct")).images == ("dwi",)
    assert set(partners(FULL, "ncct")) == {"tmax", "cbf"}
    assert partners(FULL, "ncct")[0] == "tmax"


def test_truth_of_the_follow_up_is_over_acute_ct_only_on_request() -> None:
    assert choose(FULL, ("ncct", "tmax")).truth is None
    assert choose(FULL, ("ncct", "tmax"), acute_truth=True).truth == TRUTH


def test_a_missing_image_falls_back_to_what_is_there() -> None:
    assert choose(CaseRef("a", modalities=("ncct",)), ("dwi",)).images == ("ncct",)
    assert choose(CaseRef("a", modalities=()), ("dwi",)).images == ()
    assert choose(CaseRef("a", modalities=("dwi", "adc")), ()).truth is None


@given(st.lists(st.sampled_from(list(MODALITIES)), unique=True), st.lists(st.sampled_from(list(MODALITIES))))
def test_what_is_shown_exists_and_is_of_one_session(there: list[str], wanted: list[str]) -> None:
    case = CaseRef("a", modalities=tuple(there))
    shown = choose(case, wanted)
    assert set(shown.images) <= set(images_of(case))
    assert len({MODALITIES[n].session for n in shown.images}) <= 1
    assert len(shown.images) <= 2
    assert bool(shown.images) == bool(images_of(case))


def test_costs_count_only_what_is_not_here() -> None:
    case = CaseRef("a", modalities=("dwi", "adc"), sizes={"dwi": 10, "adc": 5})
    assert cost_bytes(case, ("dwi", "adc"), frozenset()) == 15
    assert cost_bytes(case, ("dwi", "adc"), frozenset({"dwi"})) == 5
    assert cost_bytes(CaseRef("a"), ("dwi",), frozenset()) is None
    assert cost_bytes(CaseRef("a"), ("dwi",), frozenset({"dwi"})) == 0


def test_the_good_example_has_a_lesion_to_show() -> None:
    def listing(*cases: CaseRef) -> Listing:
        return Listing("x", None, cases, True)

    assert good_example(listing(CaseRef("a"), CaseRef("sub-stroke0014"))) == "sub-stroke0014"
    assert good_example(listing(CaseRef("a", modalities=("ncct",)), FULL, CaseRef("b"))) == "a"
    assert (
        good_example(listing(CaseRef("x", modalities=("ncct",)), CaseRef("y", modalities=("dwi", "adc", TRUTH)))) == "y"
    )
    assert good_example(listing()) is None


def test_neighbours_stay_inside_the_list() -> None:
    ids = ["a", "b", "c"]
    assert [neighbour(ids, "a", -1), neighbour(ids, "a", 1), neighbour(ids, "c", 1)] == ["a", "b", "c"]
    assert neighbour(ids, "gone", 1) == "a"
