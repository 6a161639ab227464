"""Network: bytes that came in and went out of this container, without its talk to itself.

Counters since the interfaces came up; differences are the reader's work.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from core.resources.cgroup import read_text


@dataclass(frozen=True)
class Network:
    """Bytes since the interfaces came up, loopback left out."""

    received_bytes: int
    sent_bytes: int


def read_network(proc_root: Path = Path("/proc")) -> Network | None:
    """The sums of /proc/net/dev; None where there is none (also: no interface but loopback)."""
    received = sent = 0
    any_row = False
    for line in (read_text(proc_root / "net" / "dev") or "").splitlines():
        name, _, rest = line.partition(":")
        words = rest.split()
        if name.strip() == "lo" or len(words) < 9 or not (words[0] + words[8]).isdigit():
            continue
        received, sent, any_row = received + int(words[0]), sent + int(words[8]), True
    return Network(received, sent) if any_row else None
