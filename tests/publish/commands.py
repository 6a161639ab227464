"""The publish commands as a script runs them, against a local Hub: in this process, or in one of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from core.cli import app
from core.errors import StagingForeign, StrokescopeError
from core.workflows.publish_status import Status, status
from tests.hubserver import HubServer
from tests.publish import trees
from tests.publish.staged import MAKERS, REPO

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "hf_writewritewrite"
EMPTY = {".gitattributes": b"*.parquet filter=lfs\n"}
PATIENCE_S = 60.0  # until what must come is there


@dataclass(frozen=True)
class Owner:
    """Somebody with a source folder, a staging folder to be, and a Hub."""

    server: HubServer
    source: Path
    schema: str
    staging: Path
    env: dict[str, str]

    @property
    def base(self) -> list[str]:
        """What plan, build and run are given."""
        return [str(self.source), "--schema", self.schema, "--repo", REPO, "--staging", str(self.staging)]

    @property
    def there(self) -> list[str]:
        return ["--staging", str(self.staging)]

    @property
    def status(self) -> Status:
        return status(self.staging)

    @property
    def remote(self) -> set[str]:
        """Shards in the repository."""
        return {path for path in self.server.datasets[REPO].files if path.endswith(".parquet")}

    def call(self, *args: str, **env: str) -> Result:
        """In this process."""
        given = {**dict.fromkeys(os.environ), **self.env, **env}
        return CliRunner().invoke(app, ["publish", *args], env=given)

    def refused(self, *args: str, **env: str) -> StrokescopeError:
        """The error that ends it; it has a next step and no token."""
        done = self.call(*args, **env)
        assert done.exit_code == 1 and isinstance(done.exception, StrokescopeError), done.output
        assert done.exception.hint and "hf_" not in done.exception.sentence() and "hf_" not in done.output
        return done.exception

    def answer(self, *args: str) -> Any:
        """What it prints as JSON when all is well."""
        done = self.call(*args, "--json")
        assert done.exit_code == 0, (done.stderr, done.exception)
        assert done.stdout.count("\n") == 1
        return json.loads(done.stdout)

    def start(self, *args: str) -> subprocess.Popen[str]:
        """In a process of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STROKESCOPE_", "HF_"))}
        return subprocess.Popen(
            [sys.executable, "-m", "core", "publish", *args],
            cwd=ROOT,
            env={**kept, **self.env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_for(self, holds: Callable[[Status], bool]) -> Status:
        """The first status of which this is true."""
        end, found = time.monotonic() + PATIENCE_S, None
        while time.monotonic() < end:
            try:
                found = self.status
            except StagingForeign:
                found = None
            if found is not None and holds(found):
                return found
            time.sleep(0.02)
        raise AssertionError(f"it never came: {found}")


@contextmanager
def owner(root: Path, schema: str = "isles24", repo: bool = True) -> Iterator[Owner]:
    """Somebody with a small tree, and an empty repository unless there shall be none."""
    with HubServer() as server:
        if repo:
            server.add_dataset(REPO, "a" * 40, EMPTY)
        folder = root / "here"
        env = {
            "HF_ENDPOINT": server.url,
            "HF_TOKEN": TOKEN,
            "STROKESCOPE_CACHE_DIR": str(folder / "cache"),
            "STROKESCOPE_STATE_DIR": str(folder / "state"),
        }
        yield Owner(server, MAKERS[schema](root / trees.AWKWARD), schema, folder / "a 'staging' földer", env)
