"""A local Hub, both of its clients and a built staging folder: shared by the tests of sending."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from core.hub.client import Hub
from core.hub.policy import Policies, Policy
from core.hub.pushing import Limits, Pusher
from core.publish.build import build
from core.publish.plan import Plan, make_plan
from core.publish.sending import Options
from core.publish.staging import begin
from core.publish.upload import Uploaded, upload
from core.publish.verify import Verified, verify
from core.publish.view import View, look
from tests.hubserver import HubServer
from tests.publish.staged import REPO, REVISION, noise

TOKEN = "hf_writewritewrite"
_PATIENT = Policy(30.0, 30.0, 30.0, 35.0, 120.0, attempts=2, pause_s=0.01)
OPTIONS = Options(files=8, attempts=8, pause_s=0.005, longest_s=0.02)


@dataclass(frozen=True)
class Place:
    """A Hub, and a staging folder for it."""

    server: HubServer
    plan: Plan
    folder: Path

    @property
    def view(self) -> View:
        return look(self.folder)

    @property
    def remote(self) -> set[str]:
        """Paths of the shards in the repository."""
        return {path for path in self.server.datasets[REPO].files if path.startswith("data/")}

    @contextmanager
    def clients(self, token: str | None = TOKEN, rate: float | None = None, xet: bool = False) -> Iterator[Clients]:
        """New ones, as of a new process."""
        hub = Hub(self.server.url, token, policies=Policies(_PATIENT, _PATIENT, _PATIENT))
        pusher = Pusher(self.server.url, token, rate=rate, xet=xet, limits=Limits(threads=2))
        try:
            yield Clients(hub, pusher)
        finally:
            pusher.close()
            hub.close()

    def build(self) -> None:
        with begin(self.folder, self.plan, REPO, REVISION) as staging:
            build(self.plan, staging)

    def upload(self, options: Options = OPTIONS, token: str | None = TOKEN) -> Uploaded:
        """One run."""
        with self.clients(token) as both, begin(self.folder, self.plan, REPO, REVISION) as staging:
            return upload(staging, both.hub, both.pusher, options)

    def verify(self, read_back: int | None = 0) -> Verified:
        """One look at it."""
        with self.clients() as both, begin(self.folder, self.plan, REPO, REVISION) as staging:
            return verify(staging, both.hub, read_back=read_back, options=OPTIONS)


@dataclass(frozen=True)
class Clients:
    """Who reads and who writes."""

    hub: Hub
    pusher: Pusher


@contextmanager
def place(root: Path, shards: int, size: int = 600, build: bool = True) -> Iterator[Place]:
    """A Hub with nothing on it, and a staging folder of so many shards."""
    plan = make_plan(noise(root / "so urce", shards, size, images=1), one_row_per_shard=True)
    with HubServer() as server:
        found = Place(server, plan, root / "a 'staging' földer")
        if build:
            found.build()
        yield found


def few(**changes: int | float) -> Options:
    """The usual options of tests, some of them others."""
    return replace(OPTIONS, **changes)  # type: ignore[arg-type]
