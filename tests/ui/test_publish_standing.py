"""How a publication stands while it stops, after its staging folder was removed, and when the two tell otherwise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from shutil import rmtree

from core.publish.records import State
from core.ui.publish_process import Step
from core.ui.publish_run_view import is_told
from core.ui.publish_standing import WORDS, Stand, is_over, proof_in, stand_of
from core.workflows.publish_progress import Progress
from core.workflows.publish_status import status
from core.workflows.publish_work import beside
from tests.ui import publish_world as made
from tests.ui.pages import button
from tests.ui.publish_page import bars, pressable, publish, texts

STEP = Step("run", 1, 1.0, made.AT - 100.0)
ALL: list[State] = ["proven", "freed", "proven"]


def told(**more: object) -> dict[str, object]:
    found = {"repo": made.REPO, "revision": "main", "commit": made.COMMIT, "shards": 3, "verified": 3, "missing": [],
             "different": [], "unexpected": [], "ok": True, "at": "2023-11-14T22:13:20+00:00"}  # fmt: skip
    return {**found, **more}


def test_without_a_staging_folder_the_proof_says_whether_it_is_done() -> None:
    good, verify = proof_in(told(), made.REPO), replace(STEP, name="verify")
    assert good is not None and good.at == made.AT
    late = made.AT + 60.0
    assert is_over(STEP, good) and is_over(None, good) and is_over(replace(verify, began=late), good)
    assert not is_over(replace(STEP, began=late), good), "a later publisher says itself how it ended"
    for more in ({"ok": False}, {"verified": 2}, {"missing": ["data/x"]}):
        assert not is_over(STEP, proof_in(told(**more), made.REPO))
    for wrong in (None, {}, told(repo="owner/other"), told(revision="dev"), told(at="soon"), told(at=None)):
        assert proof_in(wrong, made.REPO) is None
    assert stand_of(STEP, False, None, ("", ""), None, good).standing == "done"
    assert stand_of(STEP, False, None, ("", ""), None, None).standing == "died"
    refused = stand_of(replace(STEP, began=late), False, None, ("the token expired", "set another"), None, good)
    assert (refused.standing, refused.message) == ("failed", "the token expired")


def test_what_was_asked_to_stop_is_stopping_until_it_is_gone(tmp_path: Path) -> None:
    made.staged(tmp_path, ["built", "planned", "planned"])
    made.tell(tmp_path, "stopped", "upload", began=made.AT)
    asked, found = replace(STEP, asked=made.AT), status(tmp_path)
    for one in (found, None):
        stand = stand_of(asked, True, None, ("", ""), one)
        assert stand.at_work and WORDS[stand.standing] == "stopping"
    assert stand_of(asked, False, None, ("", ""), found).standing == "stopped"
    assert stand_of(STEP, True, None, ("", ""), found).standing == "working", "its end was told, and it still lives"
    assert stand_of(replace(STEP, began=3e9), True, None, ("", ""), found).standing == "starting"


def test_steps_and_a_bar_are_for_what_came_as_far_as_a_step() -> None:
    assert not is_told(Stand("failed", Progress(1, 1.0, "failed", "plan"))) and not is_told(Stand("failed"))
    assert is_told(Stand("failed", Progress(1, 1.0, "failed", "build"))) and is_told(Stand("done"))


def test_a_removed_staging_folder_leaves_a_publication_that_is_done(desk: Path) -> None:
    one = made.kept(desk)
    made.staged(one.staging, ALL)
    made.ended(one, "run", began=made.AT - 100.0)
    made.verified(one.staging, copy=True)
    rmtree(one.staging)
    app = publish()
    assert "<b>Done</b>" in texts(app) and "Everything is in the repository, and verified" in bars(app)
    assert "3 of 3 shards are in owner/arc" in texts(app) and "The staging folder is gone" in texts(app)
    assert "looked at 14 Nov 2023, 22:13 UTC" in texts(app)
    assert not button(app, "publish-go-on") and not button(app, "publish-verify") and not app.code
    assert pressable(app, "Publish again") and pressable(app, "Take off the list")
    next(b for b in app.button if b.label == "Publish again").click().run()
    assert app.text_input(key="publish-repo").value == made.REPO
    app.button(key="publish-leave").click().run()
    assert "<b>Done</b>" in texts(app)


def test_what_the_publisher_printed_is_proof_where_no_copy_lies_beside(desk: Path) -> None:
    one = made.kept(desk)
    made.ended(one, "run", told(), began=made.AT - 100.0)
    assert "<b>Done</b>" in texts(publish())
    beside(one.staging).write_text('{"ok": false}')
    assert "<b>Done</b>" in texts(publish()), "that is no report"
    made.ended(one, "run", told(repo="owner/other"), began=made.AT - 100.0)
    assert "<b>Done</b>" not in texts(publish())


def test_a_publisher_that_died_is_at_nothing_any_more(desk: Path) -> None:
    one = made.kept(desk)
    made.staged(one.staging, ALL)
    made.tell(one.staging, "upload", done=1, total=3, unit="shards", rate=4e6, seconds_left=15.0)
    made.ended(one, "run")
    app = publish()
    assert "without a word (sending to the Hub)" in texts(app)
    assert "1 of 3 shards" in bars(app) and "left" not in bars(app) and "/s" not in bars(app)


def test_a_refusal_before_the_first_step_is_all_that_is_shown(desk: Path) -> None:
    one = made.kept(desk)
    made.ended(one, "run", said="error: owner/arc holds data of something else; publish to another repository\n")
    app = publish()
    assert "**owner/arc holds data" in texts(app), "a name keeps its letters"
    assert not app.get("progress")
    assert not any("scope-steps" in str(e.proto.body) for e in app.get("html"))


def test_one_verification_gives_one_next_step(desk: Path) -> None:
    one = made.kept(desk)
    made.staged(one.staging, ALL)
    step = "Upload again: only what is missing or different is sent"
    made.tell(one.staging, "failed", "verify", message="1 of 3 shards is missing", hint=step)
    made.ended(one, "verify")
    made.verified(one.staging, missing=["data/train-00001-of-00003.parquet"])
    said = texts(publish())
    assert said.count("only what is missing or different is sent") == 1 and "Upload again" not in said
