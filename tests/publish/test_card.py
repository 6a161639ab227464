"""The card: whom it names, how large the dataset is, and what a card that is there already claims."""

from __future__ import annotations

from dataclasses import replace

import pytest

from core.publish.card import BEGIN, END, About, card, metadata, tells, text
from core.publish.claims import licence_in, others
from core.publish.credit import NOBODY, Credit, as_note, credit_in, credit_of
from core.publish.front import split, value
from core.publish.schema import schema_named

ABOUT = About(schema_named("bids"), "owner/name", "cc-by-4.0", 3, 1, 4_200_000, {})
CREDIT = Credit("Images of <Kiel>", ("A. Müller", "B_c [x]"), ("Müller 2020, https://doi.org/10.1/a_b", "10.1/ab"))
THEIRS = "---\nlicense: mit\nconfigs:\n- config_name: tables\n  data_files: train.csv\npretty_name: X\n---\n# Theirs\n"


def test_a_small_dataset_has_a_size() -> None:
    assert "(4.20 MB)." in text(ABOUT) and "(2.50 GB)." in text(replace(ABOUT, bytes=2_500_000_000))


def test_the_card_names_who_asks_to_be_named() -> None:
    told = text(replace(ABOUT, credit=CREDIT))
    assert "# Images of &lt;Kiel\\>\n" in told and "Authors: A. Müller, B_c \\[x\\]\n" in told
    assert "Please cite:\n\n- Müller 2020, https://doi.org/10.1/a_b\n- 10.1/ab\n" in told
    assert metadata(replace(ABOUT, credit=CREDIT))["pretty_name"] == 'pretty_name: "Images of <Kiel>"\n'
    known = text(replace(ABOUT, schema=schema_named("arc"), credit=CREDIT))
    assert "# Aphasia Recovery Cohort (ARC)\n" in known and "- doi:10.1038" in known and "- 10.1/ab\n" in known
    assert "Please cite" not in text(ABOUT) and "# Images\n" in text(ABOUT)


def test_a_description_can_say_anything_and_breaks_no_card() -> None:
    said = {"Name": f"{END}\n# x\n{BEGIN}", "Authors": ["A", 3, "", None, " B\tC\u202e"], "DatasetDOI": ["no"]}
    found = credit_of({**said, "HowToAcknowledge": "a" * 10_000})
    assert found.authors == ("A", "B C") and len(found.cite) == 1 and len(found.cite[0]) == 1001
    assert credit_in(as_note(found)) == found
    whole = card(replace(ABOUT, credit=found))
    body = split(whole)[1]
    assert body.count(BEGIN) == body.count(END) == 1 and tells(replace(ABOUT, credit=found), whole)
    assert card(replace(ABOUT, credit=found), whole) == whole
    nobody: tuple[object, ...] = (None, [], "x", {}, {"Authors": {}}, {"Name": 3})
    for nothing in nobody:
        assert credit_of(nothing) == credit_in(nothing) == NOBODY
    assert credit_of({"Authors": "A. Only"}).authors == ("A. Only",)


@pytest.mark.parametrize(
    ("existing", "found"),
    [
        (THEIRS, ("license", "configs")),
        ("---\nlicense: cc-by-4.0 # ours\nlanguage: en\n---\n", ()),
        ("---\nlicense: 'CC BY 4.0'\n---\n", ()),
        ("---\nlicense:\n- mit\n- apache-2.0\n---\n", ("license",)),
        ("---\nlicense:\n---\n", ()),
        ("---\nlicense: unknown\n---\n", ()),
        ("---\ndataset_info:\n  features: []\n---\n", ("dataset_info",)),
        ("# only words: license: mit\n", ()),
        ("", ()),
        (card(ABOUT), ()),
        (card(replace(ABOUT, licence="mit", rows=9)), ()),
    ],
)
def test_a_card_that_we_did_not_write_claims_what_ours_would_not(existing: str, found: tuple[str, ...]) -> None:
    assert others(ABOUT, existing) == found


def test_the_licence_of_a_card() -> None:
    assert [licence_in(one) for one in (THEIRS, "", '---\nlicense: "odbl"\n---\n', card(ABOUT))] == [
        "mit",
        "",
        "odbl",
        "cc-by-4.0",
    ]
    assert value("license:\n- mit\n") == "- mit" and value("license: 'a b' # c\n") == "a b"
