"""Fifty jobs from ten sessions with random cancels, kills and restarts: each ends once, and nothing else is left."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.segmentation.tiny_models import torch_model
from tests.stress.campaign import random_of, sizes
from tests.stress.job_bench import Bench, until
from tests.stress.job_campaign import CASES, OWNERS, Campaign
from tests.stress.job_checks import Witness, check_files, check_processes, check_records, check_whole

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' parent-death signal")
CANCEL_S = 10.0  # from a cancel to the end of its process in a campaign, which others may slow down; 2 s is promised
GROWTH_MB = 30.0  # of the app while it served more jobs than it had before


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.clear()


@sizes(sample=3, campaign=50)
@pytest.mark.timeout(900)
def test_every_job_ends_once_and_nothing_is_left(bench: Bench, count: int) -> None:
    model = str(torch_model(bench.folder / "model", spacing_mm=[8, 8, 8], overlap=0)) if count > 10 else ""
    campaign = Campaign(bench, random_of(0), bench.start(), model)
    with Witness(bench.book) as witness:
        campaign.play(count - count // 2, deaths=max(1, count // 12))
        if count > 10:
            campaign.squeeze()
            campaign.second_app()
        before = campaign.app.ask("rest")
        campaign.play(count // 2)
        witness.check()
    after = campaign.app.ask("rest")
    found = check_records(bench, campaign.submitted)
    check_processes(bench, campaign.app, campaign.groups)
    check_files(bench, campaign.deleted)
    check_whole(campaign.app, bench)
    assert (after["door"], after["leased"], after["torch"]) == (0, 0, False)
    assert after["rss_mb"] - before["rss_mb"] < GROWTH_MB, (before, after)
    assert after["files"] <= before["files"] + 8 and after["threads"] <= before["threads"] + 4, (before, after)
    assert count < 10 or max(campaign.cancel_s, default=0.0) < CANCEL_S, campaign.cancel_s
    campaign.app.end(signal.SIGTERM)
    check_processes(bench, None, campaign.groups)
    states = dict(Counter(record["state"] for record in found.values()))
    told = [f"{dict(campaign.acts)}", f"{states}", f"{before} -> {after}", f"{sorted(campaign.cancel_s)}"]
    told += sorted({f"{record['state']}: {record['reason']}" for record in found.values() if record["reason"]})
    sys.stdout.write("\n".join(told) + "\n")


def test_half_a_result_of_a_job_that_was_over_goes(bench: Bench) -> None:
    """A job was given up, and the app died before its worker had: nobody has that folder on a record that is open."""
    app = bench.start()
    question = {"case": CASES[0], "engine": "diffusion"}
    told = app.ask("submit", owner=OWNERS[0], question=question)
    app.ask("cancel", owner=OWNERS[0], job=told["job"])
    until(lambda: app.ask("rest")["door"] == 0 and not app.workers(), "the job is gone")
    app.end(signal.SIGKILL)
    half = bench.results / told["key"] / ".strokescope-x.partial"
    half.mkdir(parents=True)
    (half / "mask.nii.gz").write_bytes(b"half")
    app = bench.start()
    check_files(bench)
    app.end(signal.SIGTERM)
    check_records(bench, [told["job"]])
    check_processes(bench, None, ())
