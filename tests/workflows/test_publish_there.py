"""What is in the repository already: another dataset, a licence of nobody's, and whoever looks on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from core.errors import BadPlan
from core.publish.described import PATH
from core.workflows.publish_sight import Sight, said
from tests.publish import trees
from tests.publish.commands import Owner, owner
from tests.publish.staged import REPO

THEIRS = "---\nlicense: mit\nconfigs:\n- config_name: tables\n  data_files: train.csv\n---\n# Theirs\n"


def describe(at: Owner, **said: Any) -> None:
    trees.put(at.source, "dataset_description.json", json.dumps({"BIDSVersion": "1.9.0", **said}))


def put_card(at: Owner, text: str) -> None:
    dataset = at.server.datasets[REPO]
    at.server.keep(dataset, PATH, text.encode(), None, None)
    dataset.tree = []


def card(at: Owner) -> str:
    return at.server.datasets[REPO].files[PATH].read(0, 10**6).decode()


@pytest.mark.parametrize("way", ["run", "upload", "rolling"])
def test_a_source_without_a_licence_does_not_go_out_under_a_strangers(tmp_path: Path, way: str) -> None:
    with owner(tmp_path, "bids") as at:
        describe(at, Name="Images of Kiel")
        put_card(at, "---\nlicense: mit\n---\n")
        command = ["run", *at.base] if way == "run" else ["build", *at.base, "--rolling"]
        if way == "upload":
            at.answer("build", *at.base)
            command = ["upload", *at.there]
        for more in ([], ["--replace"]):
            error = at.refused(*command, *more)
            assert isinstance(error, BadPlan) and "says mit" in str(error) and "--licence" in error.hint
        assert not at.remote and not at.server.writes.committed
        if way != "rolling":
            at.answer(*command, "--licence", "mit")
            assert 'license: "mit"' in card(at) and "# Images of Kiel" in card(at)


def test_a_licence_that_came_after_ours_was_sent_is_the_owners(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        describe(at)
        at.answer("run", *at.base)
        put_card(at, card(at).replace("---\n", "---\nlicense: odbl\n", 1))
        assert at.answer("run", *at.base)["ok"] and "license: odbl" in card(at)


def test_the_card_of_another_dataset_is_replaced_only_when_it_is_said(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        put_card(at, THEIRS)
        error = at.refused("run", *at.base)
        assert isinstance(error, BadPlan) and "(license, configs)" in str(error) and "--replace" in error.hint
        assert card(at) == THEIRS and not at.remote
        assert at.answer("run", *at.base, "--replace")["ok"]
        assert "cc-by-4.0" in card(at) and "train.csv" not in card(at) and "# Theirs" in card(at)
        assert at.answer("run", *at.base)["ok"], "it is ours now"


@pytest.mark.parametrize("public", [True, False])
def test_who_sees_a_repository_that_is_there_is_said(tmp_path: Path, public: bool) -> None:
    with owner(tmp_path, "bids") as at:
        if not public:
            at.server.writes.private.add(REPO)
        for command in (["run", *at.base], ["upload", *at.there]):
            done = at.call(*command)
            assert done.exit_code == 0, done.exception
            line = "is public: everybody will see" if public else "is private: only who has access"
            assert sum(line in one for one in done.stderr.splitlines()) == 1, done.stderr


def test_a_repository_is_made_in_a_line_of_its_own(tmp_path: Path) -> None:
    with owner(tmp_path, "bids", repo=False) as at:
        done = at.call("run", *at.base)
        (line,) = (one for one in done.stderr.splitlines() if "making the dataset" in one)
        assert line.endswith(f"build: making the dataset {REPO}, private"), line


@pytest.mark.parametrize(("sight", "public"), [("unknown", True), ("new", False)])
def test_nothing_is_said_of_what_is_not_known(sight: Sight, public: bool) -> None:
    assert said(REPO, sight, public) == ""
    assert said(REPO, "private", True).endswith("publishing does not change that")
    assert "on request" in said(REPO, "gated", False)
