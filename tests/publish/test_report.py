"""Reports: the same for people and programs, complete, and in one order."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

import core.publish
from core.publish.codes import RULES
from core.publish.findings import SEVERITIES, Trouble, gather
from core.publish.report import Report, as_json, as_markdown, verdict

TROUBLES = [
    Trouble("face", "sub-1/a `b` *c*.nii.gz", "39 % of [it]"),
    Trouble("file-empty", "sub-2/x.nii.gz"),
    Trouble("file-empty", "sub-1/x.nii.gz"),
    Trouble("gzip-time", "sub-1/y.nii.gz"),
]


def report(troubles: list[Trouble]) -> Report:
    columns = (("subject_id", "string", 2), ("t1w", "image", 1))
    return Report("arc", "a `folder`", "cc0-1.0", 2, 2, 3, 4_000_000, columns, 3, gather(troubles, RULES))


def test_the_report_for_people() -> None:
    assert as_markdown(report(TROUBLES)) == (
        "# Validation of `a 'folder'` as arc\n\n"
        "**Not to be published as it is: 1 error, 1 warning, 1 note.**\n\n"
        "- 2 subjects, 2 rows, 3 images, 4.00 MB\n"
        "- 3 of 3 images read to the end\n"
        "- licence: cc0-1.0\n\n"
        "## Errors\n\n"
        "### 2 images without bytes (file-empty)\nNext: bring the file back from the original.\n\n"
        "- `sub-1/x.nii.gz`\n- `sub-2/x.nii.gz`\n\n"
        "## Warnings\n\n"
        "### 1 image that may show a face (face)\n"
        "Next: look in 3D, and deface it unless everybody agreed to be seen.\n\n"
        "- `sub-1/a 'b' *c*.nii.gz`: 39 % of \\[it\\]\n\n"
        "## Notes\n\n"
        "### 1 packed file with the time of packing inside (gzip-time)\n"
        "Next: nothing, or pack again with gzip -n.\n\n"
        "- `sub-1/y.nii.gz`\n\n"
        "## Columns\n\n| column | kind | rows |\n|---|---|---|\n| subject_id | string | 2 |\n| t1w | image | 1 |\n"
    )


def test_long_lists_are_counted_for_people_and_whole_for_programs() -> None:
    many = [Trouble("file-empty", f"sub-{n:03d}/x.nii.gz") for n in range(300)]
    text, data = as_markdown(report(many), most=5), as_json(report(many))
    assert text.count("\n- `sub-") == 5 and "- … and 295 more" in text
    findings = data["findings"]
    assert isinstance(findings, list) and len(findings[0]["places"]) == 300


def test_the_report_for_programs_is_json_and_says_all() -> None:
    data = json.loads(json.dumps(as_json(report(TROUBLES))))
    assert (data["ok"], data["counts"]) == (False, {"error": 1, "warning": 1, "note": 1})
    assert [finding["code"] for finding in data["findings"]] == ["file-empty", "face", "gzip-time"]
    assert data["findings"][0]["places"][0] == {"path": "sub-1/x.nii.gz", "detail": None}
    assert data["findings"][1]["next_step"].startswith("look in 3D")


def test_only_an_error_forbids() -> None:
    assert not report([Trouble("file-empty", "a")]).ok
    warned = report([Trouble("face", "a")])
    assert warned.ok and verdict(warned) == "Ready to publish: no error, but 1 warning."
    assert verdict(report([])) == "Ready to publish: no error, no warning."


@settings(max_examples=40)
@given(st.lists(st.sampled_from(sorted(RULES)), max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_troubles_does_not_matter(names: list[str], draw: random.Random) -> None:
    troubles = [Trouble(code, f"{n % 3}") for n, code in enumerate(names)]
    found = gather(troubles, RULES)
    draw.shuffle(troubles)
    assert gather(troubles, RULES) == found == gather(troubles * 2, RULES)
    assert [SEVERITIES.index(f.severity) for f in found] == sorted(SEVERITIES.index(f.severity) for f in found)
    assert {(f.code, *place) for f in found for place in f.places} == {(t.code, t.path, t.detail) for t in troubles}


def test_every_rule_can_be_said_for_one_and_for_many() -> None:
    for code, rule in RULES.items():
        fields = {name for _, name, _, _ in string.Formatter().parse(rule.headline) if name}
        assert fields in ({"n", "s"}, set()), code
        assert rule.step and rule.step[-1] not in ".!"


def test_every_rule_is_used() -> None:
    here = Path(next(iter(core.publish.__path__)))
    text = "".join(path.read_text() for path in sorted(here.glob("*.py")) if path.name != "codes.py")
    assert {code for code in RULES if f'"{code}"' not in text} == set()
