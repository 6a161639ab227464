"""What the Publish page is made of, without a page: wishes and commands, grid, words, standing, key, token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as some

from core.cli_publish import publish_app
from core.errors import BadPlan, BadSettings, BadTree
from core.publish.findings import Trouble
from core.publish.records import STATES, State
from core.publish.report import as_json
from core.settings import Settings, load_settings
from core.ui import publish_token
from core.ui.publish_grid import LOOKS, MOST, grid_of, in_words, squares_html
from core.ui.publish_key import FREE_TRIES, LONGEST_S, Lock, access
from core.ui.publish_process import Step, trouble_in
from core.ui.publish_standing import dataset_url, stand_of, verified_in, wrong_shards
from core.ui.publish_wish import (
    Wish,
    checked,
    plan_command,
    run_command,
    typed,
    validate_command,
    verify_command,
    wish_in,
)
from core.ui.publish_words import amount, at_rest, bar_line, clock, fit_lines, span, stepper, verdict
from core.workflows.publish_papers import report_in
from core.workflows.publish_progress import Progress
from tests.hubserver.writes import person
from tests.ui import publish_world as made

AWKWARD = "it's a “dataset” $HOME `x` ü"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / AWKWARD
    folder.mkdir()
    return folder


def whole(source: Path, **more: object) -> Wish:
    wish = Wish(str(source), "bids", "owner/name", str(source.parent / f"staging {AWKWARD}"))
    return replace(wish, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["{}", " {} ", "'{}'", '"{}"'])
def test_a_folder_is_found_however_it_was_pasted(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "a folder ü"
    folder.mkdir()
    assert typed(form.format(folder)) == folder
    assert typed(str(folder).replace(" ", "\\ ")) == folder


@pytest.mark.parametrize("text", ["", "  ", "data", "a\0b", "./data"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(BadTree):
        typed(text)


def test_a_wish_is_whole_after_it_was_checked(source: Path, tmp_path: Path) -> None:
    wish = checked(
        whole(source, repo=" hub:owner/name ", staging="", limit="500M", read_back="ALL"), tmp_path / "state"
    )
    assert (wish.source, wish.repo) == (str(source), "owner/name")
    assert wish.staging == str(tmp_path / "state" / "publish" / "owner--name")
    assert wish.read_back == "all"
    assert wish_in(wish.as_json()) == wish
    assert wish_in({"source": 3}) is None


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"staging": "{source}/inside"}, BadPlan, "inside the source"),
        ({"staging": "{source}/.."}, BadPlan, "inside the staging folder"),
        ({"staging": "{file}"}, BadPlan, "is a file"),
        ({"source": "{file}"}, BadTree, "a file"),
        ({"limit": "large"}, BadSettings, "not a size"),
        ({"read_back": "-1"}, BadSettings, "read back"),
        ({"licence": "--public"}, BadPlan, "licence"),
        ({"repo": "owner/--public"}, BadPlan, "no name"),
    ],
)
def test_what_cannot_be_is_refused(
    source: Path, tmp_path: Path, changes: dict[str, str], error: type[Exception], said: str
) -> None:
    file = tmp_path / "file"
    file.touch()
    told = {name: text.format(source=source, file=file) for name, text in changes.items()}
    with pytest.raises(error, match=said):
        checked(replace(whole(source), **told), tmp_path)  # type: ignore[arg-type]


def test_the_command_line_takes_every_command_as_it_is_written(source: Path, tmp_path: Path) -> None:
    despite = ("column-count", "rows-count")
    wish = whole(source, rolling=True, part=True, licence="cc-by-4.0", limit="500M", bandwidth="5M", public=True,
                 read_back="all", despite=despite)  # fmt: skip
    wish = checked(wish, tmp_path)
    run = run_command(wish, tmp_path / "progress", tmp_path / "report")
    commands = (validate_command(wish, tmp_path / "progress"), plan_command(wish), run,
                verify_command(Path(wish.staging), "7"))  # fmt: skip
    app = typer.main.get_command(publish_app)
    for command in commands:
        assert command[1:4] == ["-m", "core", "publish"]
        name, arguments = command[4], command[5:]
        with typer.Context(app) as above:
            one = app.get_command(above, name)  # type: ignore[attr-defined]
            taken = one.make_context(name, list(arguments), parent=above).params
        if name != "verify":
            assert (str(taken["source"]), taken["counts"], taken["licence"]) == (str(source), False, "cc-by-4.0")
        if name != "validate":
            assert str(taken["staging"]) == wish.staging
        if name == "run":
            assert (taken["create"], taken["public"], taken["read_back"]) == (True, True, -1)
            assert (tuple(taken["despite"]), taken["bandwidth"]) == (despite, 5 * 2**20)


@given(some.lists(some.sampled_from(STATES), max_size=60), some.integers(1, 70))
def test_every_shard_is_in_the_grid_and_no_square_hides_the_furthest_behind(states: list[State], most: int) -> None:
    grid = grid_of(states, most=most)
    assert len(grid.cells) <= most and sum(grid.counts.values()) == len(states)
    for at, cell in enumerate(grid.cells):
        assert cell == min(states[at * grid.each : (at + 1) * grid.each], key=LOOKS.index)
    assert squares_html(grid).count("<i ") == len(grid.cells)


def test_ten_thousand_shards_stay_light() -> None:
    states: list[State] = [*["proven"] * 9_999, "planned"]  # type: ignore[list-item]
    grid = grid_of(states, wrong=[3])
    assert len(grid.cells) <= MOST and len(squares_html(grid)) < 50_000
    assert grid.cells[0] == "wrong" and grid.cells[-1] == "planned"
    assert in_words(grid).startswith("10000 shards: 9998 proven")


def test_words_of_time() -> None:
    assert [span(s) for s in (0.2, 40, 2340, 7500, 86_400 * 2 + 3600)] == [
        "1 s", "40 s", "39 min", "2 h 5 min", "2 d 1 h"]  # fmt: skip
    assert clock(1_800_000_000, ZoneInfo("Europe/Berlin"), 1_800_000_000) == "09:00"
    assert clock(1_800_000_000, None, 1_800_100_000) == "Fri 08:00 UTC"
    assert clock(1_800_000_000, None, 1_801_000_000) == "15 Jan 2027, 08:00 UTC"


def test_words_of_bytes() -> None:
    assert [amount(count) for count in (0, 512, 4096, 293e9)] == ["0 B", "512 B", "4.10 kB", "293 GB"]
    assert fit_lines(made.plan())[0] == (
        True,
        "RAM: 100 MB needed, 125 MB with a margin, 10.0 GB may be used of 16.0 GB",
    )


def test_the_verdict_counts_only_what_nobody_overrode() -> None:
    found = report_in(made.report(Trouble("column-count"), Trouble("file-empty", "a"), Trouble("face", "b")))
    assert found is not None
    tone, said = verdict(found, ("column-count",))
    assert tone == "bad" and said.startswith(
        "1 kind of error must be mended before this can be published, 1 overridden"
    )
    tone, said = verdict(found, ("column-count", "file-empty"))
    assert tone == "warn" and said.startswith("No errors left, 2 overridden by you; 1 kind of warning to look at")
    assert verdict(found)[1].startswith("2 kinds of error must be mended before this can be published (")


def test_a_step_that_waits_says_until_when_and_one_that_works_how_long() -> None:
    told = Progress(1, 1.0, "upload", "upload", 3, 4, "shards", 3 * 10**9, 4 * 10**9, 1e6, 1000.0)
    assert bar_line(told, 0.0, None) == (
        "Sending to the Hub · 3 of 4 shards · 3.00 GB of 4.00 GB · 1.00 MB/s · about 17 min left"
    )
    waits = replace(told, phase="waiting", until=1_800_000_060.0)
    assert bar_line(waits, 1_800_000_000.0, None).endswith("waiting until 08:01 UTC (60 s)")
    assert bar_line(waits, 1_800_000_061.0, None).endswith("trying again now")
    assert {bar_line(at_rest(one), 0.0, None) for one in (told, waits)} == {
        "Sending to the Hub · 3 of 4 shards · 3.00 GB of 4.00 GB"
    }
    assert [mark for _, mark in stepper(told, False)] == ["✓", "✓", "●", "○", "○"]
    assert [mark for _, mark in stepper(told, False, unbuilt=3)] == ["✓", "●", "●", "○", "○"]
    assert {mark for _, mark in stepper(None, True)} == {"✓"}


def test_a_report_comes_back_as_it_was() -> None:
    told = made.report(Trouble("file-empty", "a/b.nii.gz"), Trouble("face", "", "nose"))
    found = report_in(told)
    assert found is not None and as_json(found) == {k: v for k, v in told.items() if k != "source"}
    assert report_in({"findings": []}) is None and report_in(None) is None


def test_how_a_run_ended_is_told_by_whoever_knows() -> None:
    step = Step("run", 1, 1.0, 100.0)
    said = ("the disk is full", "free shards once they are proven (--rolling) (3.0 GB)")
    assert stand_of(None, False, None, ("", ""), None).standing == "new"
    assert stand_of(step, True, None, ("", ""), None).standing == "starting"
    refused = stand_of(step, False, None, said, None)
    assert (refused.standing, refused.message) == ("failed", "the disk is full")
    assert "--rolling" not in refused.hint
    assert stand_of(step, False, None, ("", ""), None).standing == "died"
    assert stand_of(replace(step, asked=101.0), False, None, ("", ""), None).standing == "stopped"
    own = Progress(1, 1.0, "failed", "plan", message="not yours", hint="ask")
    assert stand_of(step, False, own, said, None).message == "not yours"


def test_the_last_error_is_what_counts() -> None:
    assert trouble_in("error: a; b\nnoise\nerror: what happened; what; to do\n") == ("what happened", "what; to do")
    assert trouble_in("Traceback\n") == ("", "")


def test_what_the_verification_missed() -> None:
    told = {"repo": "o/n", "revision": "main", "commit": "c", "shards": 9, "verified": 7, "unexpected": [],
            "missing": ["data/train-00003-of-00009.parquet"], "different": ["data/train-00008-of-00009.parquet"],
            "ok": False}  # fmt: skip
    assert wrong_shards(verified_in(told)) == (3, 8)
    assert verified_in({"repo": "o/n"}) is None and wrong_shards(None) == ()


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("https://huggingface.co", "https://huggingface.co/datasets/o/n/tree/abc"),
        ("http://user:secret@127.0.0.1:9/", "http://127.0.0.1:9/datasets/o/n/tree/abc"),
        ("javascript:alert(1)", ""),
        ("http://[", ""),
    ],
)
def test_the_link_carries_no_password(endpoint: str, url: str) -> None:
    assert dataset_url(endpoint, "o/n", "abc") == url


def settings(monkeypatch: pytest.MonkeyPatch, **env: str) -> Settings:
    for name in ("SPACE_ID", "STROKESCOPE_PUBLISH_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_who_may_see_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = settings(monkeypatch)
    assert (access(alone, True, False), access(alone, False, False)) == ("open", "elsewhere")
    assert access(settings(monkeypatch, SPACE_ID="o/s"), True, True) == "hidden"
    locked = settings(monkeypatch, SPACE_ID="o/s", STROKESCOPE_PUBLISH_KEY="twelve letters")
    assert (access(locked, True, False), access(locked, False, True)) == ("ask", "open")
    assert "twelve" not in repr(locked)


def test_a_key_that_is_easily_guessed_is_refused_and_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSettings, match="STROKESCOPE_PUBLISH_KEY") as caught:
        settings(monkeypatch, STROKESCOPE_PUBLISH_KEY="hunter2")
    assert "hunter2" not in caught.value.sentence()
    assert settings(monkeypatch, STROKESCOPE_PUBLISH_KEY="  ").publish_key is None


def test_guessing_is_slowed_down_for_all_sessions_and_forgiven() -> None:
    now = [0.0]
    lock = Lock(lambda: now[0])
    waits = []
    for _ in range(FREE_TRIES + 8):
        now[0] += lock.wait_s()
        assert not lock.try_key("wrong", "a right one")
        waits.append(lock.wait_s())
    assert waits[: FREE_TRIES - 1] == [0.0] * (FREE_TRIES - 1)
    assert waits == sorted(waits) and waits[-1] == LONGEST_S
    assert not lock.try_key("a right one", "a right one")  # it is not even looked at
    now[0] += LONGEST_S
    assert lock.try_key("a right one", "a right one")
    now[0] += 3600
    assert lock.wait_s() == 0.0


def test_of_what_the_hub_says_only_the_rights_are_kept() -> None:
    said = person("tester", orgs={"owner": "write"}) | {"email": "t@example.org", "avatarUrl": "https://x"}
    kept = publish_token.reduced(said)
    assert "example" not in str(kept)
    writer = publish_token.Writer("tester", kept)
    assert writer.refusal("owner/x") == "" and "tester is no member of stranger" in writer.refusal("stranger/x")
    assert "of tester's" in writer.remedy and "HF_TOKEN" in writer.remedy
