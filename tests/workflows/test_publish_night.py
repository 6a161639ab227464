"""A night without anybody: outages are ridden out, what the Hub or the disk loses is made good, nothing is believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from core.errors import HubDenied, NotProven, NotSent, PublishCancelled
from core.publish.report import as_markdown
from core.publish.sending import USUAL, Clock
from core.settings import Settings
from core.workflows.publish_ask import HOUR_S, How, Publication
from core.workflows.publish_dataset import validate_source
from core.workflows.publish_night import publish
from core.workflows.publish_papers import VALIDATION, VALIDATION_TEXT, keep_payload, read_paper
from core.workflows.publish_progress import Progress
from core.workflows.publish_status import status
from core.workflows.publish_validity import errors_in
from core.workflows.publish_work import Outcome, attempts_for
from tests.hubserver import Fault
from tests.publish import trees
from tests.publish.commands import Owner, owner
from tests.publish.staged import REPO


@dataclass
class Fast:
    """A clock on which waiting takes no time."""

    at: float = 0.0
    slept: float = 0.0
    seen: list[Progress] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.at, self.sleep, lambda: 0.5)


def night(
    at: Owner,
    fast: Fast,
    when: Callable[[Progress], None] = lambda now: None,
    cancelled: Callable[[], bool] = lambda: False,
    validated: Path | None = None,
    **how: object,
) -> Outcome:
    """One run; `when` is told of every beat."""
    settings = Settings(
        HF_ENDPOINT=at.env["HF_ENDPOINT"],
        HF_TOKEN=at.env["HF_TOKEN"],
        STROKESCOPE_CACHE_DIR=at.env["STROKESCOPE_CACHE_DIR"],
        STROKESCOPE_STATE_DIR=at.env["STROKESCOPE_STATE_DIR"],
    )

    def tell(now: Progress) -> None:
        fast.seen.append(now)
        when(now)

    to = Publication(at.source, at.schema, REPO, at.staging)
    asked = How(counts=False, **how)  # type: ignore[arg-type]
    return publish(settings, to, asked, tell, cancelled, validated=validated, waits=fast.clock)


def once(phase: str, act: Callable[[], None]) -> Callable[[Progress], None]:
    """Do it when this phase is told for the first time."""
    done: list[str] = []

    def when(now: Progress) -> None:
        if now.phase == phase and not done:
            done.append(phase)
            act()

    return when


def void(value: object) -> None:
    """Forgets it."""


def remove(at: Owner, path: str) -> None:
    dataset = at.server.datasets[REPO]
    dataset.files.pop(path)
    dataset.tree, dataset.commit = [], "b" * 40


@pytest.mark.parametrize(("failures", "hours"), [(12, 0.25), pytest.param(60, 3.5, marks=pytest.mark.stress)])
def test_an_outage_of_hours_is_ridden_out(tmp_path: Path, failures: int, hours: float) -> None:
    with owner(tmp_path, "bids") as at:
        fast = Fast()
        at.server.faults.add(Fault("status", "/commit/", failures, status=503))
        assert night(at, fast).found.ok and fast.slept > hours * HOUR_S
        waits = [now for now in fast.seen if now.phase == "waiting"]
        assert waits and all(now.until is not None and "503" in now.message for now in waits)
        assert fast.seen[-1].phase == "done" and status(at.staging).standing == "done"


def test_a_hub_that_never_comes_back_is_given_up_and_said_so(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.server.faults.add(Fault("drop", "/commit/", None))
        fast = Fast()
        with pytest.raises(NotSent):
            night(at, fast, patience_s=900.0)
        assert 900 <= fast.slept < 1800
        assert status(at.staging).standing == "failed" and "was deleted" in status(at.staging).hint
        at.server.faults.clear()
        assert night(at, Fast()).found.ok


@pytest.mark.stress
def test_a_hub_that_goes_away_at_any_question_is_waited_for(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        fast = Fast()

        def away(now: Progress) -> None:
            if now.phase in ("build", "upload", "card", "verify") and now.phase not in struck:
                struck.add(now.phase)
                at.server.faults.add(Fault("drop", "/api/datasets/", 5))

        struck: set[str] = set()
        assert night(at, fast, away).found.ok and len(struck) == 4
        assert {now.step for now in fast.seen if now.phase == "waiting"} >= {"upload", "verify"}


@pytest.mark.parametrize("there", [False, True])
def test_a_hub_that_went_away_while_the_source_was_validated_is_waited_for(tmp_path: Path, there: bool) -> None:
    with owner(tmp_path, "bids", repo=there) as at:

        def away() -> None:
            assert (REPO in at.server.datasets) is there, "nothing is made before the source is known to be good"
            at.server.faults.add(Fault("status", "/api/whoami-v2", 2, status=503))

        assert night(at, Fast(), once("validate", away)).found.ok


def test_the_hub_says_when_to_come_back_and_is_obeyed(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.server.faults.add(Fault("status", "/preupload/", 1, status=429, headers=(("Retry-After", "600"),)))
        fast = Fast()
        assert night(at, fast).found.ok and fast.slept >= 600


def test_a_token_that_expires_in_the_night_ends_it_with_the_next_step(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.server.faults.add(Fault("expire", "/commit/", 1))
        with pytest.raises(HubDenied):
            night(at, Fast())
        told = status(at.staging)
        assert told.standing == "failed" and "HF_TOKEN" in told.hint and not told.cleanup
        at.server.writes.revoked.clear()
        assert night(at, Fast()).found.ok


@pytest.mark.parametrize("rolling", [False, True])
def test_what_the_repository_loses_meanwhile_is_built_and_sent_again(tmp_path: Path, rolling: bool) -> None:
    with owner(tmp_path) as at:
        lost = "data/train-00001-of-00003.parquet"
        fast = Fast()
        outcome = night(at, fast, once("verify", lambda: remove(at, lost)), rolling=rolling)
        assert outcome.found.ok and lost in at.remote
        assert [now.phase for now in fast.seen].count("done") == 1


def test_a_shard_that_is_damaged_on_the_disk_is_built_again(tmp_path: Path) -> None:
    with owner(tmp_path) as at:

        def damage() -> None:
            path = at.staging / "data" / "train-00002-of-00003.parquet"
            data = bytearray(path.read_bytes())
            data[len(data) // 2] ^= 1
            path.write_bytes(data)

        assert night(at, Fast(), once("upload", damage)).found.ok


def test_what_cannot_be_mended_from_here_is_named(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:

        def add() -> None:
            files = {path: file.read(0, file.size) for path, file in at.server.datasets[REPO].files.items()}
            at.server.add_dataset(REPO, "c" * 40, {**files, "data/other.parquet": b"PAR1PAR1"})

        with pytest.raises(NotProven, match="1 unexpected"):
            night(at, Fast(), once("verify", add))
        told = status(at.staging)
        assert told.verified is not None and told.verified["unexpected"] == ["data/other.parquet"] and not told.cleanup


def test_a_source_that_grows_meanwhile_is_not_called_published(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        late = once("verify", lambda: void(trees.put(at.source, "sub-04/anat/sub-04_T1w.nii.gz")))
        with pytest.raises(NotProven, match=r"in no shard \(sub-04\)") as error:
            night(at, Fast(), late)
        assert "new staging folder" in error.value.hint
        told = status(at.staging)
        assert told.standing == "failed" and not told.cleanup and told.verified and not told.verified["ok"]


def test_a_stop_is_obeyed_while_it_waits(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        at.server.faults.add(Fault("drop", "/commit/", None))
        fast = Fast()
        with pytest.raises(PublishCancelled):
            night(at, fast, cancelled=lambda: any(now.phase == "waiting" for now in fast.seen))
        assert status(at.staging).standing == "stopped"


def test_a_report_that_cannot_be_read_allows_nothing() -> None:
    error = {"severity": "error", "code": "grid-differs", "sentence": "a mask elsewhere"}
    assert errors_in({"findings": [error]}, frozenset()) == ("a mask elsewhere",)
    assert errors_in({"findings": [error]}, frozenset({"grid-differs"})) == ()
    assert errors_in({"findings": [{"severity": "fine"}]}, frozenset()) and errors_in({"findings": [1]}, frozenset())


def test_a_validation_from_elsewhere_is_kept_for_people_too(tmp_path: Path) -> None:
    with owner(tmp_path, "bids") as at:
        found = validate_source(at.source, at.schema, How(counts=False))
        keep_payload(tmp_path / "report.json", found.payload())
        fast, text = Fast(), at.staging / VALIDATION_TEXT
        assert night(at, fast, validated=tmp_path / "report.json").found.ok
        assert not any(now.phase == "validate" for now in fast.seen), "it was believed"
        assert read_paper(at.staging / VALIDATION) == found.payload()
        assert text.read_text(encoding="utf-8").startswith(as_markdown(found.report)[:200])
        text.unlink()
        assert night(at, Fast()).found.ok and text.exists()


def test_patience_becomes_attempts() -> None:
    assert attempts_for(0.0, USUAL) == 4
    assert 140 <= attempts_for(12 * HOUR_S, USUAL) <= 160
