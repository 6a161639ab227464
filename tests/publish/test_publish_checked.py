"""A validation whose report lies in the staging folder: the steps that follow go by it, and name its command."""

from __future__ import annotations

import gzip
import shlex
from pathlib import Path

from core.errors import BadPlan, HubDenied, NotValid, StagingForeign
from tests.hubserver import Fault
from tests.hubserver.writes import person
from tests.publish import trees
from tests.publish.commands import TOKEN, Owner, owner
from tests.publish.staged import REPO


def asked_for(stderr: str) -> list[str]:
    """The arguments of the command that the line about a source that was not validated names."""
    (line,) = [line for line in stderr.splitlines() if "was not validated" in line]
    command = shlex.split(line.partition("this does it: ")[2])
    assert command[:4] == ["python", "-m", "core", "publish"]
    return command[4:]


def validate(at: Owner, source: Path | None = None, staging: Path | None = None) -> tuple[str, ...]:
    where = (str(source or at.source), "--schema", at.schema, "--staging", str(staging or at.staging))
    return ("validate", *where)


def test_the_line_about_a_source_that_was_not_validated_names_what_ends_it(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        command = asked_for(at.call("build", *at.base).stderr)
        assert command == list(validate(at))
        done = at.call(*command)
        assert done.exit_code == 0 and (at.staging / "validation.md").exists()
        for step in (("build", *at.base), ("upload", *at.there)):
            done = at.call(*step)
            assert done.exit_code == 0 and "not validated" not in done.stderr


def test_a_validation_that_came_first_is_believed_by_a_run(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        assert at.call(*validate(at)).exit_code == 0 and not (at.staging / "manifest.jsonl").exists()
        done = at.call("run", *at.base)
        assert done.exit_code == 0 and "validate:" not in done.stderr
        assert at.answer("verify", *at.there)["ok"]


def test_errors_found_before_anything_was_built_keep_it_from_being_built(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        image = next(at.source.rglob("sub-*_T1w.nii.gz"))
        image.write_bytes(gzip.compress(trees.image(texts={"descrip": b"Mueller^Anna 19500312"}), mtime=0))
        done = at.call(*validate(at))
        assert done.exit_code == 1 and done.stderr.splitlines()[-1].startswith("error: ")
        for step in (("build", *at.base), ("upload", *at.there)):
            error = at.refused(*step)
            assert isinstance(error, NotValid) and "Mueller" not in error.sentence()
        assert not at.server.writes.puts


def test_a_report_lies_only_where_it_belongs(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        other = trees.bids(tmp_path / "other")
        at.answer("build", *at.base)
        assert isinstance(at.refused(*validate(at, other)), StagingForeign)
        assert isinstance(at.refused(*validate(at, staging=at.source / "inside")), BadPlan)
        full = tmp_path / "full"
        full.mkdir()
        (full / "thesis.doc").write_text("")
        assert isinstance(at.refused(*validate(at, staging=full)), StagingForeign)
        assert not list(full.glob("validation*")) and not (at.staging / "validation.json").exists()


def test_a_quota_is_not_told_as_a_token(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.answer("build", *at.base)
        said = (("X-Error-Message", "storage limit reached"),)
        at.server.faults.add(Fault("status", "/commit/", times=None, status=403, headers=said))
        error = at.refused("upload", *at.there)
        assert isinstance(error, HubDenied) and "(403): storage limit reached" in str(error)
        assert "expired" not in error.sentence() and "storage" in error.hint and "HF_TOKEN" not in error.hint


def test_a_token_of_somebody_else_leads_to_another_repository(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.server.writes.users[TOKEN] = person("me", orgs={"lab": "admin"})
        assert "--repo" in at.refused("run", *at.base).hint
        at.server.writes.users[TOKEN] = person("me", role="read")
        assert "write access" in at.refused("run", *at.base, "--repo", REPO).hint


def test_a_limit_that_changes_nothing_is_told(tmp_path: Path) -> None:
    with owner(tmp_path, "arc") as at:
        done = at.call("plan", *at.base, "--limit", "1M")
        assert done.exit_code == 0 and "--limit changes nothing: arc has a shard for every row" in done.stderr
        assert "--limit" not in at.call("plan", *at.base).stderr
