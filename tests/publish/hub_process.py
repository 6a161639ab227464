"""python -m tests.publish.hub_process: a Hub of its own process, for campaigns that fork and kill.

Prints its address. GET /told says, as JSON, how often each object came whole and each path was committed, and what the
repository holds; GET /anew begins with an empty one.
"""

from __future__ import annotations

import sys
from collections import Counter

from tests.hubserver import HubServer
from tests.hubserver.answers import Answer, json_answer
from tests.hubserver.writes import Writes


def main() -> None:
    """Serve until the input ends."""
    with HubServer() as hub:

        def told(_: str) -> Answer:
            committed = Counter(path for paths in hub.writes.committed for path in paths)
            files = {path: file.oid for data in hub.datasets.values() for path, file in data.files.items() if file.oid}
            return json_answer({"puts": hub.writes.puts, "committed": committed, "files": files})

        def anew(_: str) -> Answer:
            hub.datasets.clear()
            hub.writes = Writes()
            hub.reset_counts()
            return json_answer({})

        hub.answers = {"^/told$": told, "^/anew$": anew}
        sys.stdout.write(hub.url + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
