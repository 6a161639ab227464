"""The address bar: what a deep link may say."""

from hypothesis import given
from hypothesis import strategies as st
from streamlit.testing.v1 import AppTest

from core.case import MODALITIES
from core.ui.state import Place, local_key, parse_address, to_address


def test_a_deep_link_is_restored() -> None:
    query = {"source": ["sample"], "case": ["sample-03"], "modality": ["ncct,tmax"]}
    assert parse_address(query, {}) == Place("sample", "sample-03", ("ncct", "tmax"))
    assert parse_address({"modality": ["dwi", "adc"]}, {}).modalities == ("dwi", "adc")


def test_an_address_cannot_open_a_folder() -> None:
    spec = "local:/home/someone/cases"
    assert parse_address({"source": [spec]}, {}).source is None
    assert parse_address({"source": [local_key(spec)]}, {}).source is None
    assert parse_address({"source": [local_key(spec)]}, {local_key(spec): spec}).source == spec
    assert "someone" not in str(to_address(Place(spec)))


KEY, OTHER = "0123456789abcdef" * 2, "f" * 32


def test_results_are_part_of_the_address() -> None:
    place = Place("sample", "sample-03", (), KEY, OTHER)
    assert to_address(place) == {"source": "sample", "case": "sample-03", "result": KEY, "against": OTHER}
    assert parse_address({k: [v] for k, v in to_address(place).items()}, {}) == place
    assert parse_address({"result": [KEY], "against": ["truth"]}, {}).against == "truth"
    assert to_address(Place("sample", "c", (), None, OTHER)) == {"source": "sample", "case": "c"}


def test_threshold_and_smallest_lesion_are_part_of_the_address_and_leave_with_the_result() -> None:
    place = Place("sample", "sample-03", (), KEY, None, 0.7, 0.25)
    address = to_address(place)
    assert (address["threshold"], address["smallest"]) == ("0.7", "0.25")
    assert parse_address({k: [v] for k, v in address.items()}, {}) == place
    assert "threshold" not in to_address(Place("sample", "c", (), None, None, 0.7))
    for wrong in ("", "0", "-1", "1.5", "nan", "inf", "x"):
        assert parse_address({"result": [KEY], "threshold": [wrong]}, {}).threshold is None

    def leave() -> None:
        import streamlit as st

        from core.ui import state

        state.go(source="sample", case="a", result="0" * 32, threshold=0.7, smallest=0.1)
        state.go(modalities=("dwi",))
        same = state.current()
        state.go(result="1" * 32)
        st.text(f"{same.threshold}/{same.smallest}/{state.current().threshold}/{state.current().smallest}")

    assert AppTest.from_function(leave).run().text[0].value == "0.7/0.1/None/None"


@given(st.text())
def test_what_is_no_key_is_known_as_wrong_and_never_written_back(text: str) -> None:
    place = parse_address({"result": [text], "against": [text]}, {})
    assert place.result == "" or (place.result == text and len(text) == 32)
    assert to_address(place).get("result", text) == text
    assert place.against in ("", "truth") or place.against == place.result


def go_elsewhere() -> None:
    import streamlit as st

    from core.ui import state

    state.go(source="sample", case="a", result="0" * 32, against="truth")
    state.go(modalities=("dwi",))
    same = state.current()
    state.go(case="b")
    st.text(f"{same.result}/{same.against}/{state.current().result}/{state.current().against}")


def test_a_result_stays_with_its_case_and_leaves_with_it() -> None:
    app = AppTest.from_function(go_elsewhere).run()
    assert app.text[0].value == f"{'0' * 32}/truth/None/None"


def test_what_is_not_valid_is_left_out() -> None:
    query = {"source": ["ftp:x"], "case": ["../../etc/passwd"], "modality": ["<b>"]}
    assert parse_address(query, {}) == Place()


@given(
    st.sampled_from([None, "sample", "hub:a/b", "hub:a/b@main"]),
    st.sampled_from([None, "case-1", "sub-stroke0014"]),
    st.lists(st.sampled_from(list(MODALITIES)), max_size=2, unique=True),
)
def test_an_address_gives_its_place_back(source: str | None, case: str | None, names: list[str]) -> None:
    place = Place(source, case, tuple(names))
    assert parse_address({k: [v] for k, v in to_address(place).items()}, {}) == place
