"""What the single steps refuse: a source that may not be published, a freer licence, names that cannot be."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest

from core.errors import BadPlan, BadSource, HubError, NotValid
from core.publish.described import PATH
from core.publish.sending import pause_after
from core.workflows.publish_ask import PATIENCE_S, STEP_PATIENCE_S, How
from core.workflows.publish_work import options_of
from tests.publish import trees
from tests.publish.commands import owner
from tests.publish.staged import REPO

PART = "--no-counts"


def test_a_source_that_failed_its_validation_is_neither_built_nor_sent(tmp_path: Path) -> None:
    with owner(tmp_path, repo=False) as at:
        raw = at.source / "train" / "raw_data" / "sub-stroke0001" / "ses-01" / "sub-stroke0001_ses-01_ncct.nii.gz"
        clean = raw.read_bytes()
        not_validated = at.call("build", *at.base)
        assert not_validated.exit_code == 0 and not_validated.stderr.count("was not validated") == 1
        raw.write_bytes(gzip.compress(trees.image(texts={"descrip": b"Smith^John 19560312"}), mtime=0))
        assert isinstance(at.refused("run", *at.base, PART), NotValid)
        assert REPO not in at.server.datasets, "nothing is made that names what may not be published"
        for step in (("build", *at.base), ("build", *at.base, "--rolling"), ("upload", *at.there)):
            error = at.refused(*step)
            assert isinstance(error, NotValid) and "errors" in str(error) and "Smith" not in error.sentence()
            assert isinstance(at.refused(*step, "--despite", "header-person"), BadPlan)
        assert REPO not in at.server.datasets and not at.server.writes.puts
        raw.write_bytes(clean)
        done = at.call("build", *at.base)
        assert done.exit_code == 0 and "was not validated" in done.stderr, "the report speaks of another source"
        assert at.call("upload", *at.there).exit_code == 0


def test_a_step_goes_on_despite_what_was_named(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        assert isinstance(at.refused("run", *at.base), NotValid)
        known = ("--despite", "rows-count", "--despite", "column-count")
        assert "--despite" in at.refused("build", *at.base).hint
        done = at.call("build", *at.base, *known)
        assert done.exit_code == 0 and "not validated" not in done.stderr
        assert isinstance(at.refused("upload", *at.there, *known[:2]), NotValid)
        assert at.call("upload", *at.there, *known).exit_code == 0


def test_a_freer_licence_is_refused_by_every_step(tmp_path: Path) -> None:
    licence = "cc0-1.0"
    with owner(tmp_path) as at:
        assert isinstance(at.refused("build", *at.base, "--licence", licence), NotValid)
        assert not at.staging.exists()
        at.answer("build", *at.base)
        error = at.refused("upload", *at.there, "--licence", licence)
        assert isinstance(error, NotValid) and "cc-by-nc-sa" in str(error).lower() and not at.server.writes.puts
        assert isinstance(at.refused("run", *at.base, PART, "--licence", licence), NotValid)


def test_a_stricter_licence_is_on_the_card_and_verified(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.answer("build", *at.base)
        at.answer("upload", *at.there, "--licence", "CC BY-NC 4.0")
        assert 'license: "cc-by-nc-4.0"' in at.server.datasets[REPO].files[PATH].read(0, 10**6).decode()
        assert at.answer("verify", *at.there)["ok"]
        assert isinstance(at.refused("upload", *at.there, "--licence", "cc0-1.0"), NotValid), "the source asks for by"


def test_names_that_cannot_be_have_a_next_step_that_helps(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        for name in ("bad name", "hub:owner/name"):
            error = at.refused("run", *at.base, "--repo", name)
            assert isinstance(error, BadSource) and error.hint == "write it like owner/name"
        file = tmp_path / "a file"
        file.write_text("")
        for staging in (file, file / "below"):
            error = at.refused("build", *at.base, "--staging", str(staging))
            assert isinstance(error, BadPlan) and "file" in str(error)
        assert file.read_text() == ""


def test_a_validation_that_found_errors_does_not_end_with_the_word_alone(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        progress = tmp_path / "progress.json"
        at.call("validate", str(at.source), "--schema", "isles24", "--progress", str(progress))
        assert "Not to be published" in json.loads(progress.read_text())["message"]


def waits(patience_s: float) -> float:
    """Seconds of pauses until it is given up, without luck."""
    options = options_of(How(patience_s=patience_s))
    return sum(pause_after(HubError("away", hint="wait"), at, options, 0.5) for at in range(1, options.attempts))


def test_patience_is_as_long_as_it_was_said() -> None:
    assert waits(0.0) < 30 and waits(30.0) < 60
    assert STEP_PATIENCE_S <= waits(STEP_PATIENCE_S) < 1.2 * STEP_PATIENCE_S
    assert PATIENCE_S <= waits(PATIENCE_S) < 1.1 * PATIENCE_S


@pytest.mark.stress
def test_without_patience_a_dead_hub_is_given_up_within_about_a_minute(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.answer("build", *at.base)
        for step in ("verify", "upload"):
            began = time.monotonic()
            at.refused(step, *at.there, "--patience", "0", HF_ENDPOINT="http://127.0.0.1:9")
            assert time.monotonic() - began < 120, step
