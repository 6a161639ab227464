"""The app's jobs without its pages: the real desk, book, door and results, told what to do by lines.

Each line on stdin is {"n": number, "do": verb, …}; each answer on stdout carries the number and "said" or "error".
Every line is answered by a thread of its own, as every visitor of the app has one.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import hashlib
import json
import os
import signal
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import psutil

from core.errors import StrokescopeError
from core.hub.cache import Cache
from core.resources.breaker import Breaker
from core.resources.disk import DiskReading, measure_usage, read_disk
from core.resources.guard import make_guard
from core.resources.recorder import Recorder
from core.resources.room import Room
from core.segmentation.kept import Results
from core.segmentation.models import find_model
from core.segmentation.results import JobResult
from core.settings import load_settings
from core.sources.opening import open_source
from core.sources.verified import VerifiedFiles
from core.workflows.asking import Ask, ask_consensus, images_of
from core.workflows.desk import Desk
from core.workflows.job_book import JobBook

IMAGES = ("dwi", "adc")
ANSWERS = "answers"  # threads of the harness itself


class Host:
    """What an app has, and what a test may ask of it; every public method is a verb."""

    def __init__(self) -> None:
        self.settings = settings = load_settings()
        self.cache = Cache(settings.cache_dir, Room(settings))
        self.source = open_source("sample", settings, self.cache)
        self.results = Results(settings.cache_dir)
        self.recorder = Recorder(settings.state_dir, role="app")
        self.guard = make_guard(settings, self.recorder, self._disk, breaker=Breaker(self.recorder))
        self.guard.watchdog.start()
        self.book = JobBook(settings.state_dir / "jobs")
        self.desk = Desk(
            settings, self.guard, self.results, self.book, open_source=lambda spec: self.source, lease=self.cache.lease
        )
        self.desk.settle("the app ended")

    def submit(self, owner: str, question: Mapping[str, Any]) -> dict[str, str]:
        """Ask for a job."""
        asked = self._question(question)
        return {"job": self.desk.submit(asked, owner), "key": asked.folder(self.results).name}

    def cancel(self, owner: str, job: str) -> None:
        """Give a job up."""
        self.desk.cancel(job, owner)

    def again(self, owner: str, job: str) -> str:
        """Run it again: the new job."""
        return self.desk.again(job, owner)

    def jobs(self, owner: str) -> list[dict[str, Any]]:
        """The owner's, as the desk tells them."""
        return [asdict(record) for record in self.desk.jobs(owner)]

    def log(self, job: str) -> list[str]:
        """What a job said."""
        return [line.text for line in self.desk.log(job)]

    def load(self, owner: str) -> dict[str, Any]:
        """What others do."""
        return asdict(self.desk.load(owner))

    def delete(self, key: str) -> None:
        """Remove a kept result."""
        self.results.delete(key)

    def rest(self) -> dict[str, float]:
        """What this process holds, with all garbage given back."""
        gc.collect()
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
        me = psutil.Process()
        return {
            "rss_mb": me.memory_info().rss / 1e6,
            "threads": sum(not one.name.startswith(ANSWERS) for one in threading.enumerate()),
            "files": me.num_fds(),
            "door": len(self.guard.admission.places()),
            "leased": self.cache.spare_bytes()[1],
            "torch": "torch" in sys.modules,
        }

    def whole(self, key: str) -> dict[str, Any]:
        """A kept result, opened and read: its files by sha256, and whether its sidecar tells of the same numbers."""
        found = self._kept(key)
        told = json.loads(found.sidecar.read_text(encoding="utf-8"))
        return {
            "case": found.case_id,
            "agrees": told["Volumes"]["lesion"]["value"] == found.volume_ml,
            "files": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found.files},
        }

    def _disk(self) -> DiskReading:
        return read_disk(self.settings, measure_usage(self.settings))

    def _question(self, said: Mapping[str, Any]) -> Ask:
        case, members = said["case"], said.get("members", ())
        if members:
            results = {key: self._kept(key) for key in members}
            files = VerifiedFiles()
            known = {path.absolute(): files.verify(path) for one in results.values() for path in images_of(one)}
            return ask_consensus(results, said["rule"], known, "sample")
        inputs = self.source.fetch(case, IMAGES).files
        model = find_model(said["model"], self.settings) if "model" in said else None
        return Ask(said["engine"], inputs, said.get("parameters", {}), case, "sample", model)

    def _kept(self, key: str) -> JobResult:
        found = self.results.find(self.settings.cache_dir / "results" / key)
        if found is None:
            raise LookupError(key)
        return found

    def close(self) -> None:
        """End as the app does when it is told to."""
        self.desk.close()
        self.guard.watchdog.stop()
        self.recorder.close()


def main() -> None:
    """Answer until told to end, or until nobody asks any more."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    faulthandler.register(signal.SIGUSR1)
    host, saying = Host(), threading.Lock()

    def say(line: Mapping[str, Any]) -> None:
        with saying:
            sys.stdout.write(json.dumps(line, default=str) + "\n")
            sys.stdout.flush()

    def answer(asked: dict[str, Any]) -> None:
        number, verb = asked.pop("n"), asked.pop("do")
        try:
            say({"n": number, "said": getattr(host, verb)(**asked)})
        except (StrokescopeError, LookupError) as error:
            say({"n": number, "error": type(error).__name__, "message": str(error)})

    with ThreadPoolExecutor(16, ANSWERS) as threads:
        say({"n": 0, "said": os.getpid()})
        with suppress(KeyboardInterrupt):
            for line in sys.stdin:
                threads.submit(answer, json.loads(line))
        host.close()


if __name__ == "__main__":
    main()
