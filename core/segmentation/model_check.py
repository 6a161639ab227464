"""Checking a model before it is used: its config, its weights, and one window of noise in a process of its own.

Gives everything that is known of the model in a report instead of the first error. Segments nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import core
from core.errors import BadModel, EngineAbsent, OverBudget
from core.hub.policy import Cancelled
from core.resources.budget import decide, require
from core.resources.child import child_env, run_child
from core.resources.probe import take_reading
from core.segmentation.engines import network_weights
from core.segmentation.engines.network import Network, open_engine
from core.segmentation.model_hub import Report
from core.segmentation.models import find_model, never, silent
from core.settings import Settings

TRIAL = (sys.executable, "-P", "-m", "core.segmentation.engines.network_check")
TRIAL_S = 600.0
VOXELS = 1_000_000  # of the image for which the needs are told: 2 mm, a whole head


@dataclass(frozen=True)
class ModelReport:
    """What is known of a model.

    Attributes:
        ok: it can be used.
        source: as ModelFolder; `note` likewise.
        about: name, version, licence, citation, task, validated, inputs, network and what else its config says.
        weights: file, format, bytes, sha256.
        needs: memory_mb and seconds for an image of VOXELS voxels, predicted.
        trial: one window of noise: window, open_seconds, window_seconds, peak_rss_mb, lowest, highest; {} without one.
        problem, hint: why it cannot be used, and the next step; "" when it can.
    """

    ok: bool
    source: str
    note: str = ""
    about: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, float] = field(default_factory=dict)
    trial: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""
    hint: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; holds no path of this machine."""
        return asdict(self)


def check_model(
    spec: str,
    settings: Settings,
    *,
    trial: bool = True,
    report: Report = silent,
    cancelled: Cancelled = never,
    command: tuple[str, ...] = TRIAL,
) -> ModelReport:
    """Everything that is known of the model that `spec` names.

    Args:
        spec: as find_model.
        trial: also run it once.
        command: of the process that does, to which the folder is added.

    Raises:
        BadSource, HubError, FetchCancelled, DiskFull: it could not be fetched.
    """
    source, note = spec if spec.startswith("hub:") else "local", ""
    known: dict[str, Any] = {}
    try:
        model = find_model(spec, settings, report=report, cancelled=cancelled)
        source, note = model.source, model.note
        engine = open_engine(model.folder)
        known = _known(engine)
        _make_sure(engine, settings)
    except (BadModel, OverBudget, EngineAbsent) as error:
        return ModelReport(False, source, note, **known, problem=str(error), hint=error.hint)
    if not trial:
        return ModelReport(True, source, note, **known)
    found = _trial(model.folder, cancelled, command)
    problem = found.get("problem") or {}
    told: dict[str, Any] = {"problem": str(problem.get("message", "")), "hint": str(problem.get("hint", ""))}
    return ModelReport("trial" in found, source, note, **known, trial=found.get("trial", {}), **told)


def _make_sure(engine: Network, settings: Settings) -> None:
    """Raise EngineAbsent where a library is missing, OverBudget where the trial does not fit."""
    missing = engine.missing()
    if missing is not None:
        raise EngineAbsent(missing.sentence.rstrip("."), hint=missing.hint)
    memory = take_reading(settings).memory
    require("the model's trial", decide(engine.needs(0, {}).memory_mb, memory.used_mb, memory.limit_mb))


def _known(engine: Network) -> dict[str, Any]:
    config, info = engine.config, engine.info
    needs = engine.needs(VOXELS, {})
    about = {
        "name": config.name,
        "version": info.version,
        "licence": config.licence,
        "citation": config.citation,
        "task": config.task,
        "validated": config.validated,
        "limits": list(config.limits),
        "inputs": list(config.modalities),
        "network": config.network,
        "patch": list(config.patch),
        "spacing_mm": list(config.spacing_mm) if config.spacing_mm else None,
        "threshold": config.threshold,
    }
    path = network_weights.weights_path(engine.folder, config.weights)
    kind = network_weights.kind_of(path)
    weights = {"file": config.weights, "format": kind, "bytes": engine.weights_bytes, "sha256": engine.sha256}
    predicted = {"voxels": float(VOXELS), "memory_mb": round(needs.memory_mb, 1), "seconds": round(needs.seconds, 1)}
    return {"about": about, "weights": weights, "needs": predicted}


def _trial(folder: Path, cancelled: Cancelled, command: tuple[str, ...]) -> dict[str, Any]:
    """What the process that tries the model said last."""
    said: list[dict[str, Any]] = []
    env = child_env(extra={"PYTHONPATH": str(Path(core.__path__[0]).parent), "PYTHONDONTWRITEBYTECODE": "1"})
    end = run_child((*command, str(folder)), said.append, cancelled, TRIAL_S, env)
    if said and ("trial" in said[-1] or "problem" in said[-1]):
        return said[-1]
    what = "was stopped" if end.cancelled else "took too long" if end.timed_out else "ended without an answer"
    message = f"the model's trial {what}, at {end.peak_rss_mb:.0f} MB"
    return {"problem": {"message": message, "hint": "make the patch smaller, or use a smaller model"}}
