"""Bringing a model: looking at what it says of itself, then getting its weights through the door.

Opens the model once it is here, so that a refusal is told before anybody chooses an image. Runs and draws nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from core.hub.policy import Cancelled
from core.resources.cost import Step, fetch_step
from core.segmentation.engine import load_engine
from core.segmentation.model_hub import at_once
from core.segmentation.models import HUB, ModelFolder, ModelLook, find_model, look_model
from core.settings import Settings
from core.sources.protocol import Progress, Report
from core.workflows.guarded import Visit

FETCHING, OPENING = "fetching the model", "opening the model"
LOOK_MB = 100.0  # at most, whatever the weights are: they are looked through page by page


@dataclass(frozen=True)
class Bring:
    """How models come here.

    Attributes:
        settings: where they lie, and the Hub.
        look, find: as core.segmentation.models has them.
    """

    settings: Settings
    look: Callable[..., ModelLook] = look_model
    find: Callable[..., ModelFolder] = find_model

    def describe(self, spec: str, cancelled: Cancelled) -> ModelLook:
        """What the model says of itself; of one on the Hub its config alone is fetched.

        Raises:
            As look_model.
        """
        return self.look(spec, self.settings, cancelled=cancelled)

    def get(self, spec: str, visit: Visit | None, report: Report, cancelled: Cancelled) -> ModelFolder:
        """The model on this disk, opened once.

        Raises:
            OverBudget: the door did not let it in.
            As find_model; BadModel also when its weights are refused.
        """

        def admit(size: int) -> AbstractContextManager[object]:
            step = fetch_step(size, FETCHING)
            return at_once(size) if visit is None else visit.enter(step, step.kind, cancelled)

        def told(name: str, here: int, of: int) -> None:
            report(Progress(name, here, of))

        found = self.find(spec, self.settings, report=told, cancelled=cancelled, admit=admit)
        step = Step("decode", OPENING, LOOK_MB)
        with nullcontext() if visit is None else visit.enter(step, step.kind, cancelled):
            load_engine("network", found.folder)
        return found


def title(spec: str) -> str:
    """What a model is called on a screen that everybody sees: of a folder its last name alone."""
    return spec if spec.startswith(HUB) else spec.rstrip("/").rpartition("/")[2].removeprefix("local:") or "a folder"
