"""Every next step that a publisher can give reads right on the page: no option, no command, no absent button."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

import pytest

from core.publish.codes import RULES
from core.resources.budget import Decision, Help, advice
from core.ui.publish_hints import AGAIN, GO_ON, ROLL, for_the_page
from core.ui.publish_standing import AGAIN as GOES_ON
from tests.ui.pages import ROOT

SAYING = {"next_steps", "next_step", "words_of", "error_of", "limited"}  # functions whose texts are next steps
HUB = ("client", "content", "failing", "outgoing", "policy", "pushing", "quota", "ranges", "refusal", "wire")
FOREIGN = re.compile(
    r"--\w|python -m|\b(run it|start|start it|build|upload|publish|send it) again\b|\bpublish (it )?from\b"
    r"|\b(build|upload|verify|validate)( it| the folder)? first\b|^(build|upload) the others|sample cohort|hub:"
    r"|choose (a|the) case|smaller image|unset it to|then go on|another schema|what is cached works|HF_TOKEN$",
    re.IGNORECASE,
)
SPACED = re.compile(r"  |\{|\}|press press|[,;:] ?[,;:.]|to go on.*to go on", re.IGNORECASE)


def files() -> Iterator[tuple[str, ast.Module]]:
    """The modules whose errors a publisher can end with."""
    core = ROOT / "core"
    for path in (
        *core.glob("publish/*.py"),
        *core.glob("workflows/publish_*.py"),
        *(core / f"hub/{n}.py" for n in HUB),
    ):
        yield path.stem, ast.parse(path.read_text(encoding="utf-8"))


def texts(node: ast.expr, known: Mapping[str, str]) -> list[str]:
    """All that an expression of texts can say; … for what only a run knows."""
    if isinstance(node, ast.Constant):
        return [str(node.value)]
    if isinstance(node, ast.Name):
        return [known.get(node.id, "…")]
    if isinstance(node, ast.IfExp):
        return texts(node.body, known) + texts(node.orelse, known)
    if isinstance(node, ast.BinOp):
        return [a + b for a in texts(node.left, known) for b in texts(node.right, known)]
    if isinstance(node, ast.JoinedStr):
        said = [""]
        for part in node.values:
            more = texts(part.value if isinstance(part, ast.FormattedValue) else part, known)
            said = [a + b for a in said for b in more]
        return said
    return ["…"]


def constants(body: list[ast.stmt]) -> dict[str, str]:
    """Names that are given a text."""
    found = {}
    for one in body:
        if isinstance(one, ast.Assign) and isinstance(one.targets[0], ast.Name) and isinstance(one.value, ast.Constant):
            found[one.targets[0].id] = str(one.value.value)
    return found


def hints() -> set[tuple[str, str]]:
    """Every next step, with the module that gives it."""
    found: set[tuple[str, str]] = set()
    for name, tree in files():
        known = constants(tree.body)
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg == "hint":
                found.update((name, text) for text in texts(node.value, known))
            if isinstance(node, ast.FunctionDef) and node.name in SAYING:
                said = (one for one in ast.walk(ast.Module(node.body[1:], [])) if isinstance(one, ast.Constant))
                found.update((name, one.value) for one in said if isinstance(one.value, str))
    return found


def test_every_next_step_reads_right_on_the_page() -> None:
    all_of_them = hints() | {(code, rule.step) for code, rule in RULES.items()}
    assert len(all_of_them) > 100
    wrong = [
        (name, said) for name, text in all_of_them if FOREIGN.search(said := for_the_page(text)) or SPACED.search(said)
    ]
    assert not wrong


def test_what_does_not_fit_is_helped_with_what_is_on_the_page() -> None:
    disk, memory = (Decision(False, 9000.0, 10.0, 100.0, resource) for resource in ("disk", "RAM"))
    for said in (
        advice(disk, [Help(ROLL, "disk", 8995.0)]),
        advice(disk, [Help(ROLL, "disk", 5.0)]),
        advice(memory, []),
    ):
        assert not FOREIGN.search(for_the_page(said)) and not SPACED.search(for_the_page(said))
    assert "“Free each shard once it is proven” under Change" in for_the_page(
        advice(disk, [Help(ROLL, "disk", 8995.0)])
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("run it again to go on", "press Go on"),
        ("start again: it goes on where it stopped", GOES_ON),
        (
            "Upload again: only what is missing or different is sent.",
            "Press Go on: only what is missing or different is sent.",
        ),
        ("with the files; then upload again.", "with the files; then press Go on."),
        ("check the card", "check the card"),
    ],
)
def test_the_button_is_named_once(said: str, words: str) -> None:
    assert for_the_page(said) == words


def test_a_check_has_another_button_than_a_publisher() -> None:
    assert for_the_page("mend the file, then go on", AGAIN) == "mend the file, then press Again"
    assert for_the_page("mend the file, then go on", GO_ON) == "mend the file, then press Go on"
