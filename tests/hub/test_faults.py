"""The fault matrix: whatever the Hub does, right bytes or our error within its deadline, and nothing half-written."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from core.errors import HubTimeout
from core.hub.policy import Policies
from tests.hub.conftest import IMPATIENT, PATIENT, PERSISTENT, source_on
from tests.hub.matrix import CALLS, CASE, ROWS, Call, Row, play, prepare, world
from tests.hubserver import Fault, HubServer

PAIRS = pytest.mark.parametrize(
    ("row", "call"),
    [pytest.param(row, call, id=f"{row.name}, {call.name}") for row in ROWS for call in CALLS if row.strikes(call)],
)
MARGIN_S = 20.0  # for a busy machine; the shipped deadlines themselves are met by `python -m tests.hub.matrix`


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("prepared") / "cache", PATIENT)


def deadline_s(policies: Policies) -> float:
    """What the policies allow one call, and a margin."""
    policy = policies.transfer
    return policy.patience_s + policy.connect_s + MARGIN_S


def judge(row: Row, call: Call, times: int | None, folder: Path, prepared: Path, policies: Policies) -> None:
    with world() as server:
        fault = dataclasses.replace(row.fault, times=times)
        outcome = play(server, call, folder, prepared, policies, fault)
        assert row.fits(outcome, call, times), outcome
        assert outcome.seconds < deadline_s(policies)
        if outcome.error is not None:
            assert play(server, call, folder, prepared, PATIENT).error is None  # and all is well again


def test_a_case_has_one_patience_for_its_footer_and_its_images(server: HubServer, tmp_path: Path) -> None:
    short = dataclasses.replace(PATIENT.transfer, patience_s=1.0)
    source = source_on(server, tmp_path, policies=Policies(PATIENT.control, PATIENT.listing, short))
    server.faults.add(Fault("delay", where="/resolve/.*00001-of", delay_s=1.5))
    with pytest.raises(HubTimeout):  # the footer came in time, and took what the images had
        source.fetch(CASE, ["dwi"])


@PAIRS
def test_once(row: Row, call: Call, tmp_path: Path, prepared: Path) -> None:
    judge(row, call, 1, tmp_path / "cache", prepared, PERSISTENT if row.stalls else PATIENT)


@PAIRS
def test_for_ever(row: Row, call: Call, tmp_path: Path, prepared: Path) -> None:
    judge(row, call, None, tmp_path / "cache", prepared, IMPATIENT if row.stalls else PATIENT)
