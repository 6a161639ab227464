"""What an engine noted, as a person reads it: never a dict, and whatever a sidecar says."""

from __future__ import annotations

import pytest

from core.workflows.notes import in_words

CONSENSUS = {
    "rule": "majority",
    "disagreement": "mean absolute difference",
    "tied_ml": 0.5,
    "members": [{"name": "diffusion 1.1", "volume_ml": 3.2}, {"name": "network 2", "volume_ml": 4.126}],
    "dice": [{"members": ["diffusion 1.1", "network 2"], "dice": 0.834}],
}


def test_a_consensus_is_told_by_its_rule_its_members_and_how_they_agree() -> None:
    assert in_words(CONSENSUS) == [
        ("rule", "majority, at least half of the masks"),
        ("members", "diffusion 1.1 (3.20 ml), network 2 (4.13 ml)"),
        ("Dice between members", "diffusion 1.1 and network 2 0.83"),
        ("exactly divided", "0.50 ml, counted as lesion"),
        ("disagreement map", "mean absolute difference"),
    ]
    assert dict(in_words({"rule": "mean"}))["rule"].startswith("mean, 0.5 or more")


def test_what_other_engines_note() -> None:
    told = dict(in_words({"teams": ["seals", "swan"], "windows_at_once": 2, "window": [96, 96, 96], "way": "docker"}))
    assert told == {"teams": "seals, swan", "windows at once": "2", "window": "96, 96, 96", "way": "docker"}
    assert in_words({"teams": None, "half": True}) == [("teams", "not told"), ("half", "yes")]


@pytest.mark.parametrize("strange", [None, 7, "words", [], [1, "a"], [{}], {"a": {"b": [1.25]}}, [{"members": 3}]])
@pytest.mark.parametrize("name", ["rule", "members", "dice", "tied_ml", "else"])
def test_no_value_of_a_sidecar_breaks_it_or_is_told_as_code(name: str, strange: object) -> None:
    ((_, text),) = in_words({name: strange})
    assert text and not any(mark in text for mark in "{}[]'")
