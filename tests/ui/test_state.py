"""The address bar: what a deep link may say."""

from hypothesis import given
from hypothesis import strategies as st

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
