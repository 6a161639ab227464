"""What DeepISLES says is understood, its adapter stays within Python 3.8, and the environment chooses the way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from core.errors import BadSettings
from core.segmentation.engines.deepisles_adapter import NO_DEEPISLES, NO_WEIGHTS
from core.segmentation.engines.deepisles_ways import ADAPTER, IMAGE, setup_of
from core.segmentation.engines.deepisles_words import diagnose
from tests.segmentation.fakes.isles import FAILS


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("oom", "GPU's memory"),
        ("no cuda", "driver does not answer"),
        ("no weights", "weights are missing"),
        ("no memory", "not enough memory"),
        ("no skull", "strip the skull"),
        ("full", "disk space"),
        ("strange", "status 1"),
    ],
)
def test_its_own_words_are_understood(says: str, words: str) -> None:
    found = diagnose(1, "Traceback (most recent call last):\n" + FAILS[says], IMAGE)
    assert words in found.sentence and found.hint


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "without a mask"), (125, "125"), (127, "does not start"), (137, "killed"), (-9, "killed"),
     (NO_WEIGHTS, "weights"), (NO_DEEPISLES, "no DeepISLES"), (3, "status 3")],
)  # fmt: skip
def test_every_status_has_its_words(status: int, words: str) -> None:
    found = diagnose(status, "", IMAGE)
    assert words in found.sentence and found.hint
    assert "pull" in diagnose(status, "Unable to find image 'isleschallenge/deepisles:latest' locally", IMAGE).hint


def test_the_adapter_is_python_3_8_and_knows_nothing_of_ours() -> None:
    tree = ast.parse(ADAPTER.read_text(encoding="utf-8"), feature_version=(3, 8))
    names = {n.name for node in ast.walk(tree) if isinstance(node, ast.Import) for n in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names == {"__future__", "importlib", "json", "os", "sys", "pathlib"}


def test_the_environment_says_which_way() -> None:
    environ = {"STROKESCOPE_DEEPISLES": " Docker ", "HF_TOKEN": "secret", "PYTHONPATH": "/ours", "PATH": "/bin"}
    found = setup_of(environ)
    assert (found.way, found.image, found.app) == ("docker", IMAGE, Path("/app"))
    assert found.environ == {"STROKESCOPE_DEEPISLES": " Docker ", "PATH": "/bin"}
    pinned = setup_of({"STROKESCOPE_DEEPISLES_IMAGE": "x@sha256:1", "STROKESCOPE_DEEPISLES_APP": "/opt/app"})
    assert (pinned.way, pinned.image, pinned.app) == ("auto", "x@sha256:1", Path("/opt/app"))
    with pytest.raises(BadSettings, match="podman"):
        setup_of({"STROKESCOPE_DEEPISLES": "podman"})
