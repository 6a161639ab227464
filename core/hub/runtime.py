"""Runtime: what the Hub says about this Space's container, for who must stay small: asked by a process of its own.

`ask` starts `python -m core.hub.runtime`, which prints one JSON object; every failure of it is None. Prints no token
and records nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from core.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 20.0
LONGEST = 500  # letters of a message
KEY = "errorMessage"
COMMAND = (sys.executable, "-m", "core.hub.runtime")


def ask(settings: Settings, command: Sequence[str] = COMMAND, timeout_s: float = TIMEOUT_S) -> str | None:
    """Why the Space's container failed last, by the Hub; None when it does not say, or nobody may ask."""
    if not settings.space_id or settings.hf_token is None or settings.hf_hub_offline:
        return None
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=timeout_s,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return message_in(done.stdout[:4096]) if done.returncode == 0 else None


def message_in(printed: bytes) -> str | None:
    """The message in what the program printed."""
    try:
        said = json.loads(printed)
    except (ValueError, RecursionError):
        return None
    message = said.get(KEY) if isinstance(said, dict) else None
    return message[:LONGEST] if isinstance(message, str) and message.strip() else None


def main() -> int:
    """Ask and print; 1 when the Hub could not be asked."""
    from core.errors import StrokescopeError
    from core.hub.client import Hub

    try:
        settings = load_settings()
        token = settings.hf_token.get_secret_value() if settings.hf_token else None
        hub = Hub(settings.hf_endpoint, token, settings.hf_hub_offline)
        message = hub.space_error(settings.space_id)
    except StrokescopeError:
        return 1
    sys.stdout.write(json.dumps({KEY: None if message is None else message[:LONGEST]}) + "\n")
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a connection that hangs keeps nobody
