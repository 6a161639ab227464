"""The Publish page in every state of a publication, run by Streamlit itself: what it says and what can be pressed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from core.publish.findings import Trouble
from core.publish.records import State
from tests.ui import publish_world as made
from tests.ui.pages import button
from tests.ui.publish_page import bars, pressable, publish, texts

SHARDS: list[State] = [*["proven"] * 599, *["built"] * 20, *["planned"] * 283]  # type: ignore[list-item]


def test_while_it_is_checked_it_says_how_far_and_can_be_cancelled(desk: Path) -> None:
    one = made.kept(desk)
    made.running(one, "validate")
    made.tell(one.home, "validate", done=1204, total=9000, unit="files", bytes=12 * 10**9, total_bytes=293 * 10**9,
              rate=120e6, seconds_left=2340.0, pid=os.getpid())  # fmt: skip
    (one.home / "progress.json").rename(one.place("validate").progress)
    made.ended(one, "plan", made.plan())
    app = publish()
    assert "1204 of 9000 files · 12.0 GB of 293 GB · 120 MB/s · about 39 min left" in bars(app)
    assert button(app, "publish-cancel-validate")
    assert "298 GB needed, 900 GB may be used of 1000 GB" in texts(app) or "Disk: 298 GB" in texts(app)
    assert not pressable(app, "publish-start")
    assert "The check is not done yet" in texts(app)


def test_errors_are_shown_with_places_and_next_steps_and_forbid_it(desk: Path) -> None:
    one = made.kept(desk)
    made.checked(
        one,
        *(Trouble("file-empty", f"sub-{n}/<b>x</b>.nii.gz") for n in range(7)),
        Trouble("column-count", "", "t1w: 400 of 441"),
        Trouble("face", "sub-1/anat/T1w.nii.gz", "a nose"),
    )
    app = publish()
    text = texts(app)
    assert "2 kinds of error must be mended" in text
    assert "7 images without bytes" in text and "bring the file back" in text
    assert "&lt;b&gt;x" in text and "and 2 more, in the report" in text
    assert "image that may show a face" in text
    assert not pressable(app, "publish-start")
    assert [c.key for c in app.checkbox if "despite" in str(c.key)] == [f"publish-despite-{one.wish.key}-column-count"]


def test_a_plan_that_does_not_fit_says_what_would_help(desk: Path) -> None:
    one = made.kept(desk)
    made.checked(one, fits=False)
    app = publish()
    assert "Disk: 298 GB needed, 40.0 GB may be used of 50.0 GB – **does not fit**" in texts(app)
    assert "What would help: switch on “Free each shard once it is proven” below" in texts(app)
    assert not pressable(app, "publish-start")
    assert any(t.key == f"publish-roll-{one.wish.key}" for t in app.toggle)


def test_a_refused_staging_folder_shows_both_fingerprints(desk: Path) -> None:
    one = made.kept(desk)
    both = (
        "begun for a/b@main, schema arc 1, 902 shards, rows x, not for owner/arc@main, schema arc 1, 903 shards, rows y"
    )
    made.checked(one)
    made.ended(one, "plan", said=f"noise\nerror: the staging folder was {both}; choose another staging folder\n")
    app = publish()
    assert both in texts(app)
    assert "Choose another staging folder" in texts(app)
    assert not pressable(app, "publish-start")


def test_what_is_checked_and_planned_is_published_once_it_was_looked_at(desk: Path) -> None:
    one = made.kept(desk)
    made.checked(one)
    app = publish()
    assert "No errors and no warnings" in texts(app)
    assert "cannot be taken back" in texts(app) and "Not checked" in texts(app)
    assert not pressable(app, "publish-start")
    app.checkbox(key=f"publish-may-{one.wish.key}").check().run()
    assert pressable(app, "publish-start")
    assert len(app.get("download_button")) == 2


def test_a_folder_that_changed_since_it_was_checked_is_checked_again(desk: Path) -> None:
    one = made.kept(desk)
    made.checked(one)
    made.ended(one, "plan", made.plan(source="e" * 64))
    app = publish()
    app.checkbox(key=f"publish-may-{one.wish.key}").check().run()
    assert not pressable(app, "publish-start")
    assert "check again" in texts(app)


def test_at_work_every_shard_is_there_with_a_legend(desk: Path) -> None:
    one = made.kept(desk)
    made.staged(one.staging, SHARDS)
    made.tell(one.staging, "upload", pid=os.getpid(), done=599, total=902, unit="shards", bytes=182 * 10**9,
              total_bytes=273 * 10**9, rate=12.1e6, seconds_left=7500.0)  # fmt: skip
    made.running(one, "run")
    app = publish()
    assert "Sending to the Hub · 599 of 902 shards · 182 GB of 273 GB · 12.1 MB/s · about 2 h 5 min left" in bars(app)
    html = next(str(e.proto.body) for e in app.get("html") if "scope-shards" in str(e.proto.body))
    assert html.count("<i class=") == 902 + 5
    assert (
        'aria-label="902 shards: 599 proven to be in the repository, 20 built, on this disk, 283 to be built"' in html
    )
    assert button(app, "publish-stop") and not button(app, "publish-go-on")


def test_waiting_says_until_when(desk: Path) -> None:
    one = made.kept(desk)
    made.staged(one.staging, SHARDS[:5])
    made.tell(one.staging, "waiting", "upload", pid=os.getpid(), until=time.time() + 600, message="the Hub is busy")
    app = publish()
    assert "waiting until" in bars(app) and "(10 min)" in bars(app)
    assert "The Hub is busy" in texts(app)


@pytest.mark.parametrize(
    ("phase", "said"),
    [("stopped", "stopped by you"), ("failed", "the token expired"), ("upload", "ended without a word")],
)
def test_stopped_failed_and_killed_say_why_and_go_on(desk: Path, phase: str, said: str) -> None:
    one = made.kept(desk)
    made.staged(one.staging, SHARDS)
    message = {"stopped": "stopped by you", "failed": "the token expired"}.get(phase, "sending")
    made.tell(one.staging, phase, "upload", message=message, hint="set another HF_TOKEN")  # type: ignore[arg-type]
    made.ended(one, "run")
    app = publish()
    assert said in texts(app).lower()
    assert pressable(app, "publish-go-on") and button(app, "publish-change")
    assert ("The record says: 902 shards: 599 proven" in texts(app)) is (phase == "upload")


def test_a_run_that_was_refused_before_it_began_says_why(desk: Path) -> None:
    one = made.kept(desk)
    made.ended(one, "run", said="error: there is no dataset owner/arc; --create makes it\n")
    app = publish()
    assert "There is no dataset owner/arc" in texts(app)
    assert pressable(app, "publish-go-on")


def test_done_shows_the_proof_and_the_command_that_nobody_runs(desk: Path) -> None:
    one = made.kept(desk)
    made.staged(one.staging, ["proven", "freed", "proven"])
    made.tell(one.staging, "done", "verify")
    made.ended(one, "run")
    made.verified(one.staging)
    app = publish()
    assert "3 of 3 shards are in owner/arc" in texts(app)
    assert made.COMMIT[:12] in texts(app)
    (command,) = [str(c.value) for c in app.code]
    assert command.startswith("rm -rf -- '") and one.staging.name in command
    assert one.staging.is_dir()
    assert {b.key for b in app.get("download_button")} >= {"publish-proof"} or button(app, "publish-verify")


def test_what_the_verification_missed_is_marked(desk: Path) -> None:
    one = made.kept(desk)
    made.staged(one.staging, SHARDS)
    made.tell(one.staging, "failed", "verify", message="1 of 902 shards is missing")
    made.ended(one, "run")
    made.verified(one.staging, missing=["data/train-00007-of-00902.parquet"])
    app = publish()
    assert "1 missing or different in the repository" in texts(app)
    assert "1 missing at the last verification" in str([e.label for e in app.expander])


def test_a_damaged_record_is_told(desk: Path) -> None:
    one = made.kept(desk)
    made.staged(one.staging, SHARDS[:3])
    (one.staging / "manifest.jsonl").write_bytes(b"rubbish\n")
    app = publish()
    assert "record cannot be read" in texts(app)
