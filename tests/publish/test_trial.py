"""How long a Hub is waited for: its own wishes count, up to the patience that is left."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from core.errors import HubError, HubRateLimited, HubServerError, NotSent
from core.publish.sending import Clock, Options
from core.publish.staging import begin
from core.publish.trial import Trial
from core.publish.upload import upload
from core.workflows.publish_ask import HOUR_S, How
from core.workflows.publish_work import options_of
from tests.hubserver import Fault
from tests.publish.sending import few, place
from tests.publish.staged import REPO, REVISION

ATTEMPTS = 200


@dataclass
class Fast:
    """Time that passes only while somebody sleeps."""

    at: float = 0.0

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.at, self.sleep, lambda: 0.5, lambda: 1_700_000_000.0 + self.at)

    def sleep(self, seconds: float) -> None:
        self.at += max(seconds, 1.0)


def limited(seconds: float) -> HubError:
    return HubRateLimited("the Hub allows no more requests just now", hint="", retry_after_s=seconds)


def broken(seconds: float) -> HubError:
    return HubServerError("the Hub answered with an error of its own (503)", hint="", retry_after_s=seconds)


def given_up(options: Options, error: HubError) -> tuple[float, HubError]:
    """After how many seconds, and with what."""
    fast = Fast()

    def ask() -> None:
        raise error

    with pytest.raises(HubError) as found:
        Trial(options, fast.clock, lambda note, left: None, lambda: False).run(ask)
    return fast.at, found.value


@pytest.mark.parametrize("error", [limited(3600.0), broken(3600.0)])
def test_what_is_asked_for_beyond_the_patience_is_told_and_not_waited_for(error: HubError) -> None:
    for patience, least in ((0.0, 0.0), (1800.0, 0.0), (2.5 * HOUR_S, 2 * HOUR_S)):
        waited, found = given_up(options_of(How(patience_s=patience)), error)
        assert least <= waited <= max(60.0, patience) + 60.0
        assert "at least 1 h 00 min, until 2023-11-" in str(found) and found.hint.startswith("start again then")


def test_short_wishes_are_obeyed_and_add_up() -> None:
    waited, _ = given_up(options_of(How(patience_s=0.0)), limited(20.0))
    assert 40.0 <= waited <= 120.0
    waited, _ = given_up(replace(Options(), attempts=3, longest_rest_s=0.0), broken(0.0))
    assert 0.0 < waited < 20.0, "its own pauses are not what the Hub asks for"


def test_an_upload_says_until_when_it_is_put_off(tmp_path: Path) -> None:
    with place(tmp_path, 3) as at:
        at.server.faults.add(Fault("status", "/commit/", times=None, status=429, headers=(("Retry-After", "3000"),)))
        with (
            at.clients() as both,
            begin(at.folder, at.plan, REPO, REVISION) as staging,
            pytest.raises(
                NotSent, match=r"did not take 3 of 3 shards: .* at least 0 h 50 min, until 2023-11-14"
            ) as found,
        ):
            upload(staging, both.hub, both.pusher, few(longest_rest_s=60.0), clock=Fast().clock)
        assert found.value.hint.startswith("start again then: what is proven is not sent again")
        at.server.faults.clear()
        at.upload()
        assert at.verify().ok
