"""The publish commands: the whole way, step by step and in one; refusals; going on after a stop; status meanwhile."""

from __future__ import annotations

import gzip
import json
import os
import shlex
import shutil
import signal
from pathlib import Path

import pytest

from core.errors import (
    BadPlan,
    BadSource,
    BadTree,
    HubDenied,
    HubNotFound,
    HubOffline,
    NotValid,
    OverBudget,
    StagingBusy,
    StagingForeign,
)
from core.publish.staging import resume
from core.workflows.publish_progress import read_progress
from tests.hubserver import Fault
from tests.hubserver.writes import person
from tests.publish import trees
from tests.publish.commands import TOKEN, owner
from tests.publish.staged import REPO

PART = "--no-counts"
KEYS = {"repo", "revision", "shards", "verified", "missing", "different", "unexpected", "ok"}


def test_the_whole_way_step_by_step(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        report = at.answer("validate", str(at.source), "--schema", "isles24", PART)
        assert report["ok"] and report["images_read_to_the_end"] == report["images"] == 30
        planned = at.answer("plan", *at.base)
        assert planned["shards"] == planned["rows"] == 3 and planned["fits"] and planned["states"] is None
        assert planned["first"] == "data/train-00000-of-00003.parquet" and not at.staging.exists()
        assert planned["needs"]["build_bytes"] == planned["needs"]["send_bytes"] == planned["bytes"] > 0
        built = at.answer("build", *at.base)
        assert built["states"]["built"] == 3 and built["grid"] == "bbb" and not at.remote
        again = at.answer("plan", *at.base)
        assert again["needs"]["build_bytes"] == 0 and again["states"]["built"] == 3
        sent = at.answer("upload", *at.there)
        assert sent["states"]["proven"] == 3 and len(at.remote) == 3 and sent["cleanup"] is None
        card = at.server.datasets[REPO].files["README.md"].read(0, 10**6).decode()
        assert "cc-by-nc-sa-4.0" in card and "| `ctp` | NIfTI image, or null | 2 |" in card
        found = at.answer("verify", *at.there, "--read-back", "all")
        assert found.keys() >= KEYS and found["ok"] and found["verified"] == found["read_back"] == 3
        told = at.answer("status", *at.there)
        assert told["standing"] == "done" and told["verified"]["commit"] == found["commit"]
        assert shlex.split(told["cleanup"]) == ["rm", "-rf", "--", str(at.staging)] == shlex.split(found["cleanup"])
        assert len(list(at.staging.glob("data/*.parquet"))) == 3, "nothing deletes it for us"
        assert json.loads((at.staging / "verify.json").read_text())["ok"] is True
        assert at.staging.with_name(f"{at.staging.name}.verified.json").exists()


def test_one_command_makes_all_of_it_and_a_second_run_sends_nothing(tmp_path: Path) -> None:
    with owner(tmp_path, "arc", repo=False) as at:
        first = at.call("run", *at.base, PART, "--read-back", "2", "--json")
        found = json.loads(first.stdout)
        assert (
            first.exit_code == 0
            and "making the dataset owner/name, private" in first.stderr
            and found["ok"]
            and found["read_back"] == 2
            and found["shards"] == 4 == len(at.remote)
        )
        puts, commits = dict(at.server.writes.puts), len(at.server.writes.committed)
        done = at.call("run", *at.base, PART)
        assert done.exit_code == 0 and "Everything is there" in done.stdout
        assert "validate:" not in done.stderr, "the source is what it was"
        assert dict(at.server.writes.puts) == puts and len(at.server.writes.committed) == commits
        (at.source / "sub-M2001" / "ses-1" / "notes.tsv").write_text("x\n")
        assert "validate:" in at.call("run", *at.base, PART).stderr


def test_rolling_keeps_nothing_and_the_repository_holds_all(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        found = at.answer("run", *at.base, PART, "--rolling", "--window", "1K", "--read-back", "all")
        assert found["ok"] and found["read_back"] == 3
        assert at.status.states["freed"] == 3 and not list(at.staging.glob("data/*.parquet"))
        assert at.answer("run", *at.base, PART, "--rolling")["ok"]


def test_errors_of_the_source_stop_it_before_a_byte_is_sent(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        raw = at.source / "train" / "raw_data" / "sub-stroke0001" / "ses-01" / "sub-stroke0001_ses-01_ncct.nii.gz"
        raw.write_bytes(gzip.compress(trees.image(texts={"descrip": b"Smith^John 19560312"}), mtime=0))
        checked = at.call("validate", str(at.source), "--schema", "isles24", PART, "--json")
        assert checked.exit_code == 1 and not json.loads(checked.stdout)["ok"]
        assert checked.stderr.splitlines()[-1].startswith("error: Not to be published as it is")
        assert isinstance(at.refused("run", *at.base, PART), NotValid)
        assert not at.remote and at.status.standing == "failed" and "Smith" not in at.status.message
        assert (at.staging / "validation.json").exists() and (at.staging / "validation.md").exists()
        assert isinstance(at.refused("run", *at.base, PART, "--despite", "header-person"), BadPlan)
        shutil.rmtree(at.source / "train" / "derivatives" / "sub-stroke0001")
        shutil.rmtree(at.source / "train" / "raw_data" / "sub-stroke0001")
        shutil.rmtree(at.source / "train" / "phenotype" / "sub-stroke0001")
        assert at.answer("run", *at.base, PART)["shards"] == 2, "nothing was built of what it was begun for"


def test_an_error_that_loses_nothing_can_be_overridden_by_its_name(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        error = at.refused("run", *at.base)
        assert isinstance(error, NotValid) and "rows" in str(error)
        known = ("--despite", "rows-count", "--despite", "column-count")
        assert at.answer("run", *at.base, *known)["ok"]


def test_a_validation_of_the_same_source_is_not_made_twice(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        report = tmp_path / "report.json"
        report.write_text(json.dumps(at.answer("validate", str(at.source), "--schema", "isles24", PART)))
        other = at.call("run", *at.base, "--validated", str(report))
        assert other.exit_code == 1 and "validate:" in other.stderr, "it was made with other options"
        done = at.call("run", *at.base, PART, "--validated", str(report))
        assert done.exit_code == 0 and "validate:" not in done.stderr


def test_what_cannot_be_is_refused_before_anything_is_begun(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        base = at.base
        at.server.writes.users = {
            TOKEN: person("owner"),
            "hf_readreadread": person("owner", role="read"),
            "hf_otherother": person("other", orgs={"else": "write"}),
        }
        for token in ("", "hf_readreadread", "hf_otherother", "hf_unknownunknown"):
            assert isinstance(at.refused("run", *base, HF_TOKEN=token), HubDenied)
        said = tmp_path / "said.json"
        assert isinstance(at.refused("run", *base, "--progress", str(said), HF_HUB_OFFLINE="1"), HubOffline)
        kept = read_progress(said)
        assert kept is not None and kept.phase == "failed" and "HF_HUB_OFFLINE" in kept.message
        missing = at.refused("run", *base, "--repo", "owner/other", "--no-create")
        assert isinstance(missing, HubNotFound) and "--no-create" in missing.hint
        assert "owner/other" not in at.server.datasets
        branch = at.refused("run", *base, "--revision", "draft")
        assert isinstance(branch, HubNotFound) and "draft" in str(branch)
        assert isinstance(at.refused("run", *base, "--revision", "b" * 40), BadPlan)
        assert isinstance(at.refused("run", *base, "--repo", "nobody"), BadSource)
        assert isinstance(at.refused("run", *base, "--staging", str(at.source / "x")), BadPlan)
        assert isinstance(at.refused("run", *base, "--staging", str(at.source.parent)), BadPlan)
        assert isinstance(at.refused("run", str(tmp_path / "nowhere"), *base[1:]), BadTree)
        room = at.refused("run", *base, STROKESCOPE_DISK_LIMIT="1K")
        assert isinstance(room, OverBudget) and "disk" in str(room)
        assert at.call("run", *base, "--schema", "dicom").exit_code == 2
        assert at.call("run", *base, "--limit", "much").exit_code == 2
        assert isinstance(at.refused("status", *at.there), StagingForeign)
        assert not at.staging.exists() and not at.server.writes.committed


def test_a_staging_folder_of_something_else_is_refused_with_both_fingerprints(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.answer("build", *at.base)
        for command in ("plan", "build", "run"):
            error = at.refused(command, *at.base, "--repo", "owner/second")
            assert isinstance(error, StagingForeign)
            assert "owner/name@main" in str(error) and "owner/second@main" in str(error)
        trees.bids(at.source, 4)
        error = at.refused("build", *at.base, "--limit", "1K")
        assert isinstance(error, StagingForeign) and "1 shards" in str(error) and "4 shards" in str(error)


def test_data_of_another_publication_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        at.server.add_dataset(REPO, "a" * 40, {"data/train-00000-of-00009.parquet": b"PAR1xxPAR1"})
        error = at.refused("run", *at.base, PART)
        assert isinstance(error, BadPlan) and "train-00000-of-00009" in str(error)
        at.answer("build", *at.base)
        assert isinstance(at.refused("upload", *at.there), BadPlan) and not at.server.writes.puts


@pytest.mark.parametrize("rolling", [(), pytest.param(("--rolling",), marks=pytest.mark.stress)])
def test_shards_of_another_dataset_are_replaced_only_if_that_is_said(tmp_path: Path, rolling: tuple[str, ...]) -> None:
    with owner(tmp_path) as at:
        other = {"data/train-00001-of-00003.parquet": b"PAR1" + bytes(100) + b"PAR1"}
        at.server.add_dataset(REPO, "a" * 40, other)
        error = at.refused("run", *at.base, PART, *rolling)
        assert isinstance(error, BadPlan) and "--replace" in error.hint and not at.server.writes.committed
        assert at.answer("run", *at.base, PART, *rolling, "--replace")["ok"]
        assert at.answer("run", *at.base, PART, *rolling)["ok"]


@pytest.mark.stress
def test_shards_that_are_there_already_are_not_sent_again_from_a_new_folder(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        at.answer("run", *at.base, PART)
        shutil.rmtree(at.staging)
        puts = dict(at.server.writes.puts)
        assert at.answer("run", *at.base, PART)["ok"] and dict(at.server.writes.puts) == puts


def test_verify_names_what_is_missing_and_upload_mends_it(tmp_path: Path) -> None:
    with owner(tmp_path) as at:
        at.answer("run", *at.base, PART)
        del at.server.datasets[REPO].files["data/train-00001-of-00003.parquet"]
        at.server.datasets[REPO].tree = []
        done = at.call("verify", *at.there, "--json")
        told = json.loads(done.stdout)
        assert done.exit_code == 1 and done.stderr.splitlines()[-1].startswith("error: ")
        assert told["missing"] == ["data/train-00001-of-00003.parquet"] and not told["ok"] and told["cleanup"] is None
        assert at.status.standing == "failed" and not at.status.cleanup and at.status.states["built"] == 1
        at.answer("upload", *at.there)
        assert not at.status.cleanup, "what was found before is not what is there now"
        assert at.answer("verify", *at.there)["ok"] and at.status.cleanup


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.stress)])
def test_it_is_watched_and_stopped_from_outside_and_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    with owner(tmp_path, "bids") as at:
        at.server.faults.add(Fault("silent", "/commit/", None))
        with at.start("run", *at.base, "--limit", "1K", PART) as run:
            seen = at.wait_for(lambda s: s.at_work and s.progress is not None and "commit" in s.progress.message)
            assert seen.progress is not None and seen.progress.pid == run.pid and seen.progress.step == "upload"
            assert isinstance(at.refused("upload", *at.there), StagingBusy)
            os.kill(run.pid, number)
            _, said = run.communicate(timeout=60)
        assert run.returncode == 1 and said.splitlines()[-1] == "error: stopped by you; run it again to go on"
        assert at.status.standing == "stopped" and at.status.states["built"] == at.status.shards
        at.server.faults.clear()
        puts = dict(at.server.writes.puts)
        assert at.answer("run", *at.base, "--limit", "1K", PART)["ok"]
        assert puts and all(at.server.writes.puts[oid] == count for oid, count in puts.items()), "sent twice"


@pytest.mark.stress
def test_a_publisher_that_was_killed_is_told_from_one_that_lives(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.server.faults.add(Fault("silent", "/commit/", None))
        with at.start("run", *at.base, PART) as run:
            at.wait_for(lambda s: s.at_work and s.progress is not None and s.progress.step == "upload")
            run.kill()
            run.communicate(timeout=60)
        told = at.status
        assert told.standing == "died" and "upload" in told.message and "run it again" in told.hint
        with resume(at.staging):  # its lock died with it
            pass
        at.server.faults.clear()
        assert at.answer("run", *at.base, PART)["ok"]
