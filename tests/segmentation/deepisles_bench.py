"""DeepISLES for tests: a Setup whose PATH holds the executables of tests/segmentation/fakes, and its images."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.imaging.volume import Volume
from core.segmentation.engine import Image, Segmentation
from core.segmentation.engines.deepisles import DeepIsles
from core.segmentation.engines.deepisles_ways import IMAGE, Setup
from tests.segmentation.engines import stored
from tests.segmentation.heads import centred, pair, sick

FAKES = Path(__file__).with_name("fakes")
TOOLS = ("sh", "env", "rm", "rmdir", "sleep")  # all that a machine of ours has beside the fakes and a Python


@dataclass(frozen=True)
class Bench:
    """One machine of ours: its folder, and what it is set up as."""

    folder: Path
    setup: Setup

    @property
    def state(self) -> Path:
        """What the fake Docker remembers."""
        return self.folder / "state"

    def calls(self, verb: str) -> list[list[str]]:
        """Docker's command lines of that kind, in order."""
        path = self.state / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        return [argv for argv in map(json.loads, lines) if argv[0] == verb]

    def containers(self) -> list[Path]:
        """Containers that are running."""
        return sorted(self.state.glob("*.container"))

    def segment(
        self,
        inputs: Mapping[str, Image],
        phase: Callable[[str, float], None] = lambda name, done: None,
        **parameters: str | float,
    ) -> Segmentation:
        """Segment with a scratch folder of its own, and prove that nothing is left in it."""
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        try:
            return DeepIsles(self.setup).segment(inputs, parameters, phase, scratch)
        finally:
            assert list(scratch.iterdir()) == []


def bench(folder: Path, way: str = "docker", says: str = "", lacks: tuple[str, ...] = ()) -> Bench:
    """A machine.

    Args:
        says: what its DeepISLES, Docker or GPU does; see the fakes.
        lacks: programs that it has not.
    """
    bins, app = folder / "bin", folder / "app"
    bins.mkdir(exist_ok=True)
    for name in sorted({"docker", "conda", "nvidia-smi"} - set(lacks)):
        shutil.copy(FAKES / name, bins / name)
        (bins / name).chmod(0o755)
    shutil.copy(FAKES / "isles.py", bins / "isles.py")
    for name, program in {"python3": sys.executable, **{tool: shutil.which(tool) or tool for tool in TOOLS}}.items():
        if not (bins / name).exists():
            (bins / name).symlink_to(program)
    if way == "conda":
        (app / "src").mkdir(parents=True, exist_ok=True)
        shutil.copy(FAKES / "isles22_ensemble.py", app / "src" / "isles22_ensemble.py")
        (app / "weights" / "SEALS").mkdir(parents=True, exist_ok=True)
    environ = {
        "PATH": str(bins),
        "PYTHONDONTWRITEBYTECODE": "1",
        "FAKE_STATE": str(folder / "state"),
        "FAKE_FOLDER": str(FAKES),
        "FAKE_SAYS": says,
    }
    return Bench(folder, Setup(way, IMAGE, app, folder / "deepisles.lock", 100.0, environ))


def small() -> dict[str, Volume]:
    """DWI and ADC of the middle of a sick head; the fakes need no more."""
    cut = {name: np.asfortranarray(volume.data[14:54, 14:62, 7:27]) for name, volume in pair(sick()).items()}
    return {name: Volume(data, centred((40, 48, 20))) for name, data in cut.items()}


def images(folder: Path, *names: str) -> dict[str, Image]:
    """Those as files, and, if named, a FLAIR (a copy of the DWI)."""
    volumes = small()
    if "flair" in names:
        volumes["flair"] = volumes["dwi"]
    folder.mkdir(exist_ok=True)
    return stored(volumes, folder)
