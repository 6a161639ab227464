"""Makes sure that Chromium is here for the browser tests.

Prints its path when there is one. Where it is missing: installs it from apt as root; otherwise fails under CI=true, and
says elsewhere that the browser tests will be skipped. Downloads nothing by itself.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")


def find() -> str | None:
    """Path of a Chromium, STROKESCOPE_CHROMIUM first."""
    named = os.environ.get("STROKESCOPE_CHROMIUM")
    return next((found for name in [named, *NAMES] if name and (found := shutil.which(name))), None)


def install() -> bool:
    """Chromium from apt; whether apt said yes."""
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"],
    ):
        if subprocess.run(command, env=env, stdout=subprocess.DEVNULL).returncode:
            return False
    return True


def main() -> int:
    """0 when Chromium is here or may be missing, 1 when CI needs it and it is not."""
    found = find()
    if found is None and os.name == "posix" and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Chromium is missing: installing it from apt", flush=True)
        found = find() if install() else None
    if found:
        print(found)
        return 0
    if os.environ.get("CI", "").lower() == "true":
        print("error: Chromium is missing; install it (apt-get install chromium)", file=sys.stderr)
        return 1
    print("Chromium is missing: browser tests will be skipped; install it to run them")
    return 0


if __name__ == "__main__":
    sys.exit(main())
