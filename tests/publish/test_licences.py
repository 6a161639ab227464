"""Licences: which are read, and which may not take the place of which."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.publish.licences import check_licence, licence_of, licence_to_use


@pytest.mark.parametrize(
    ("text", "hub_id"),
    [
        ("CC0", "cc0-1.0"),
        ("cc0-1.0", "cc0-1.0"),
        ("CC0 1.0 Universal", "cc0-1.0"),
        ("Creative Commons Zero v1.0 Universal", "cc0-1.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0-1.0"),
        ("PDDL", "pddl"),
        ("CC-BY-4.0", "cc-by-4.0"),
        ("CC BY 4.0", "cc-by-4.0"),
        ("cc by-nc-sa 4.0", "cc-by-nc-sa-4.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/4.0/", "cc-by-nc-sa-4.0"),
        ("Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International", "cc-by-nc-sa-4.0"),
        ("Creative Commons Attribution Non Commercial No Derivatives 3.0", "cc-by-nc-nd-3.0"),
        ("CC-BY-SA", "cc-by-sa-4.0"),
        ("ODbL", "odbl"),
    ],
)
def test_licences_are_known_in_many_dresses(text: str, hub_id: str) -> None:
    found = licence_of(text)
    assert found is not None and found.hub_id == hub_id
    assert licence_of(found.hub_id) == licence_of(licence_of(found.hub_id).hub_id)  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["", "proprietary", "ask me", "see LICENSE", "for academic use, by request", "TBD"])
def test_what_is_no_known_licence_is_not_guessed(text: str) -> None:
    assert licence_of(text) is None


@given(st.text(max_size=60))
def test_no_text_breaks_it(text: str) -> None:
    found = licence_of(text)
    assert found is None or found.hub_id


def codes(chosen: str, schema: str, tree: str | None) -> list[str]:
    return [one.code for one in check_licence(chosen, schema, tree)]


def test_a_freer_licence_is_refused() -> None:
    isles = "cc-by-nc-sa-4.0"
    assert codes(isles, isles, None) == []
    for freer in ("cc0-1.0", "cc-by-4.0", "cc-by-nc-4.0", "cc-by-sa-4.0", "mit"):
        assert codes(freer, isles, None) == ["licence-freer"], freer
    assert "drops nc, sa" in check_licence("cc-by-4.0", isles, None)[0].detail
    assert codes("cc-by-nc-sa-4.0", "cc0-1.0", "CC0") == []
    assert codes("cc-by-nc-sa-4.0", "", "CC-BY-SA-4.0") == ["licence-differs"]


def test_the_stricter_of_two_sources_holds_and_silence_is_told() -> None:
    assert codes("cc0-1.0", "cc0-1.0", "CC-BY-4.0") == ["licence-differs", "licence-freer"]
    assert codes("", "", None) == ["licence-unknown"]
    assert codes("house rules", "", "house rules") == ["licence-unknown"]
    assert codes("", "cc0-1.0", None) == ["licence-unknown"]


def test_the_licence_to_use_is_the_one_asked_for_else_the_sources() -> None:
    assert licence_to_use(None, "cc0-1.0", "CC-BY-4.0") == "cc0-1.0"
    assert licence_to_use(None, "", "CC BY 4.0") == "cc-by-4.0"
    assert licence_to_use("CC BY-NC 4.0", "cc0-1.0", None) == "cc-by-nc-4.0"
    assert (licence_to_use(None, "", "ask me"), licence_to_use(None, "", None)) == ("ask me", "")
