"""A real browser and a real server for tests: Chromium with WebGL2 in software, Streamlit on loopback.

Skips with its reason where Chromium is missing, fails there under CI=true. Ends only what it started.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parent.parent.parent
NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-gpu-compositing",  # WebGL is drawn by SwiftShader either way; the page around it costs a third less so
    "--disable-gpu-rasterization",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium_path() -> str:
    """Path of Chromium; skips the test where there is none, or fails it when CI=true."""
    named = os.environ.get("STROKESCOPE_CHROMIUM")
    found = next((path for name in [named, *NAMES] if name and (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail("Chromium is missing; install it (apt-get install chromium)")
        pytest.skip("Chromium is missing; install it to run the browser tests")
    return found


@contextmanager
def launch(*more: str) -> Iterator[Browser]:
    """A headless browser. Only one at a time in a process: see `without_webgl`."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*FLAGS, *more])
        try:
            yield browser
        finally:
            browser.close()


class KeptBrowser:
    """One browser for all files that follow each other; while it runs, nothing else in this process can use asyncio."""

    def __init__(self) -> None:
        self._browser: Browser | None = None
        self._held = ExitStack()

    def get(self) -> Browser:
        """The one that runs, or a new one."""
        if self._browser is None or not self._browser.is_connected():
            self.close()
            self._browser = self._held.enter_context(launch())
        return self._browser

    def close(self) -> None:
        """End it, if it runs."""
        self._browser = None
        self._held.close()


@contextmanager
def without_webgl(beside: Browser) -> Iterator[Browser]:
    """A browser that cannot draw, beside one that runs."""
    browser = beside.browser_type.launch(executable_path=chromium_path(), args=["--no-sandbox", "--disable-3d-apis"])
    try:
        yield browser
    finally:
        browser.close()


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class StreamlitServer:
    """`streamlit run entry` on loopback, ready when entered, ended with its own process group when left.

    Args:
        entry: file with the app.
        env: added to this process's environment.
        folder: where its output goes (server.log); a failure to start shows its end.
        options: more of streamlit's options, e.g. "--server.baseUrlPath=x".
    """

    def __init__(
        self, entry: Path, env: Mapping[str, str], folder: Path | None = None, options: tuple[str, ...] = ()
    ) -> None:
        self.entry, self.options, self.folder = entry, options, folder
        self.port = free_port()
        self.env = {**os.environ, "PYTHONPATH": str(ROOT), **env}
        self.base = next((o.split("=", 1)[1].strip("/") + "/" for o in options if "baseUrlPath" in o), "")

    @property
    def url(self) -> str:
        """Where the app answers, with a slash at the end."""
        return f"http://127.0.0.1:{self.port}/{self.base}"

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._process.pid

    def __enter__(self) -> StreamlitServer:
        command = [sys.executable, "-m", "streamlit", "run", str(self.entry), f"--server.port={self.port}"]
        fixed = ["--server.address=127.0.0.1", "--server.headless=true", "--server.fileWatcherType=none"]
        quiet = ["--browser.gatherUsageStats=false", "--client.toolbarMode=viewer"]
        self._log = (self.folder / "server.log").open("wb+") if self.folder else None
        self._process = subprocess.Popen(
            [*command, *fixed, *quiet, *self.options],
            cwd=ROOT,
            env=self.env,
            stdout=self._log or subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait()
        except BaseException:
            self._end()
            raise
        return self

    def restart(self) -> None:
        """End it in order and start it again at the same address; what it said before is forgotten."""
        self._end()
        self.__enter__()

    def log(self) -> str:
        """What the server has said so far."""
        return (self.folder / "server.log").read_text(errors="replace") if self.folder else ""

    def _wait(self, seconds: float = 60) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._process.poll() is not None:
                raise RuntimeError(f"the server ended at once: {self.log()[-2000:]}")
            try:
                with urllib.request.urlopen(f"{self.url}_stcore/health", timeout=2):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        raise RuntimeError(f"the server did not answer in {seconds} s: {self.log()[-2000:]}")

    def _end(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(10)
        if self._log:
            self._log.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
