"""Publications in every state, as files tell them: staging folders without a byte of an image, and what was said."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.publish.codes import RULES
from core.publish.findings import Trouble, gather
from core.publish.journal import create_journal
from core.publish.plan import Plan, make_plan
from core.publish.records import Header, State, header_entry, identify, plan_entry, planned, state_entry
from core.publish.report import Report, as_json
from core.publish.rows import FileRef, Row
from core.publish.tree import Tree
from core.publish.verify import Verified
from core.publish.view import MANIFEST, look
from core.resources.pids import born_of
from core.settings import load_settings
from core.ui.publish_desk import Desk, Kept
from core.ui.publish_process import write_json
from core.ui.publish_wish import Wish
from core.workflows.publish_papers import VERIFIED, keep_payload, verified_payload
from core.workflows.publish_progress import FILE, Phase, Progress, write_progress
from core.workflows.publish_work import beside
from tests.publish.staged import noise_schema

REPO, SOURCE_SUM = "owner/arc", "f" * 64
COMMIT = "c" * 40
AT = 1_700_000_000.0  # when it was verified


def plan_of(source: Path, shards: int, size: int) -> Plan:
    """A plan of files that are not there: nothing is read of them."""
    rows = [Row(f"row{n}", {"i0": (FileRef(f"{n}.nii.gz", size, 1),)}, {"id": f"row{n}"}) for n in range(shards)]
    return make_plan(Tree(source, noise_schema(1), tuple(rows)), one_row_per_shard=True)


def staged(folder: Path, states: Sequence[State], source: Path = Path("/nowhere"), size: int = 1_000_000) -> None:
    """A staging folder whose record says that its shards, of so many bytes, are in these states."""
    plan = plan_of(source, len(states), size)
    header = Header(identify(plan, REPO, "main"), plan.schema, source)
    records = [planned(shard) for shard in plan.shards]
    entries = [header_entry(header), *(plan_entry(record) for record in records)]
    for record, state in zip(records, states, strict=True):
        if state != "planned":
            done = replace(record, state=state, bytes=size + 300, sha256=f"{record.index:064x}", sums=("0" * 64,))
            entries.append(state_entry(done, whole=True))
    folder.mkdir(parents=True, exist_ok=True)
    create_journal(folder / MANIFEST, entries)


def tell(folder: Path, phase: Phase, step: Phase | None = None, *, pid: int = 0, **more: Any) -> None:
    """What a publisher told last. `pid` 0: of a process that is gone."""
    born = born_of(pid) if pid else 1.0
    now = time.time()
    told = {"began": now - 3600, "updated": now, "message": "sending", **more}
    write_progress(folder / FILE, Progress(pid or gone(), born, phase, step or phase, **told))


def gone() -> int:
    """The number of a process that has ended."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    return ended.pid


def verified(folder: Path, missing: Sequence[str] = (), *, copy: bool = False) -> None:
    """The last verification's report; with `copy` beside the folder, too, as after a clean one."""
    view = look(folder)
    count = len(view.shards)
    found = Verified(REPO, "main", COMMIT, count, count - len(missing), tuple(missing), (), ())
    for path in (folder / VERIFIED, *([beside(folder)] if copy else [])):
        keep_payload(path, verified_payload(found, view, AT))


def wish_of(world: Path, **more: Any) -> Wish:
    """What a person asked for, with awkward folders."""
    source, staging = world / "the data, 'ü'", world / "staging of “arc”"
    source.mkdir(exist_ok=True)
    return Wish(str(source), "arc", REPO, str(staging), **more)


def kept(world: Path, **more: Any) -> Kept:
    """A publication that the app knows."""
    return Desk(load_settings()).keep(wish_of(world, **more))


def ended(
    one: Kept, name: Any, answer: object = None, said: str = "", *, began: float = 1.0, asked: float = 0.0
) -> None:
    """A command that is over, with what it printed."""
    place = one.place(name)
    write_json(place.record, {"name": name, "pid": gone(), "born": 1.0, "began": began, "asked": asked})
    place.out.write_text("" if answer is None else json.dumps(answer))
    place.said.write_text(said)


def running(one: Kept, name: Any) -> None:
    """A command that runs, as far as anybody can tell: it is this process."""
    told = {"name": name, "pid": os.getpid(), "born": born_of(os.getpid()), "began": time.time(), "asked": 0.0}
    write_json(one.place(name).record, told)


def report(*troubles: Trouble) -> dict[str, object]:
    """What the check printed."""
    found = Report("arc", "data", "cc0-1.0", 230, 902, 2500, 293 * 10**9, (("t1w", "image", 441),), 2500,
                   gather(troubles, RULES))  # fmt: skip
    return {**as_json(found), "source": SOURCE_SUM}


def plan(fits: bool = True, **more: Any) -> dict[str, Any]:
    """What planning printed."""
    needs = {"disk_bytes": 298 * 10**9, "memory_mb": 100.0, "build_bytes": 293 * 10**9, "send_bytes": 293 * 10**9,
             "seconds": 26_000.0}  # fmt: skip
    memory = {"admitted": True, "needed_mb": 125.0, "free_mb": 10_000.0, "limit_mb": 16_000.0, "resource": "RAM"}
    disk = {"admitted": fits, "needed_mb": 298_000.0, "free_mb": 40_000.0 if not fits else 900_000.0,
            "limit_mb": 50_000.0 if not fits else 1_000_000.0, "resource": "disk"}  # fmt: skip
    return {
        "rows": 902, "images": 2500, "shards": 902, "bytes": 293 * 10**9, "largest": 700_000_000,
        "first": "data/train-00000-of-00902.parquet", "last": "data/train-00901-of-00902.parquet", "oversized": [],
        "states": None, "needs": needs, "memory": memory, "disk": disk, "window": None, "fits": fits,
        "help": None if fits else "free shards once they are proven (--rolling)", "source": SOURCE_SUM, **more,
    }  # fmt: skip


def checked(one: Kept, *troubles: Trouble, fits: bool = True) -> None:
    """Check and plan are done."""
    ended(one, "validate", report(*troubles))
    ended(one, "plan", plan(fits))
