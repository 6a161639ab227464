"""The two ways to DeepISLES: its conda environment in a Space built on its image, and Docker on a workstation.

Decides which one this machine has, cheaply, and writes their command lines. Runs no segmentation (deepisles_run.py) and
never pulls an image.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadSettings
from core.resources.child import PARENT, SECRETS, THREADS
from core.segmentation.engine_info import Missing
from core.segmentation.engines.deepisles_words import diagnose, no_image

IMAGE = "isleschallenge/deepisles"
VERSION = "1.0"  # of our way to it
ENVIRONMENT = "isles_ensemble"
APP = Path("/app")
INSIDE = "/app/data"  # where the image looks for its inputs, and below which it writes results/
LABEL = "strokescope.lock"
WAYS = ("auto", "docker", "conda", "off")
ASK_S = 15.0  # what a question to Docker or the GPU may take
ADAPTER = Path(__file__).with_name("deepisles_adapter.py")


@dataclass(frozen=True)
class Setup:
    """Which way, and where things are.

    Attributes:
        way: one of WAYS; "auto" takes conda inside DeepISLES' image and Docker elsewhere.
        image: the Docker image; `name@sha256:…` pins one for good.
        app: the folder of DeepISLES inside its image.
        lock: a file; one job at a time for all who share it.
        timeout_s: wall seconds after which a job is ended.
        environ: of the programs that are asked and run; PATH says which they are.
    """

    way: str
    image: str
    app: Path
    lock: Path
    timeout_s: float
    environ: Mapping[str, str]

    def program(self, name: str) -> str | None:
        """The program of that name on PATH."""
        return shutil.which(name, path=self.environ.get("PATH", ""))

    @property
    def label(self) -> str:
        """Marks our containers: those of one lock are swept together."""
        return f"{LABEL}={hashlib.sha256(str(self.lock).encode()).hexdigest()[:16]}"


def setup_of(environ: Mapping[str, str]) -> Setup:
    """The setup that the environment asks for.

    Raises:
        BadSettings: STROKESCOPE_DEEPISLES is none of WAYS.
    """
    way = environ.get("STROKESCOPE_DEEPISLES", "auto").strip().lower() or "auto"
    if way not in WAYS:
        raise BadSettings(f"STROKESCOPE_DEEPISLES is {way!r}", hint=f"set it to one of {', '.join(WAYS)}")
    return Setup(
        way=way,
        image=environ.get("STROKESCOPE_DEEPISLES_IMAGE", "").strip() or IMAGE,
        app=Path(environ.get("STROKESCOPE_DEEPISLES_APP", "").strip() or APP),
        lock=Path(tempfile.gettempdir()) / "strokescope-deepisles.lock",
        timeout_s=1700.0,
        environ={name: value for name, value in environ.items() if name not in _OURS},
    )


def version_of(setup: Setup) -> str:
    """Tells results of one DeepISLES from those of another, as far as the setup does: the name of its image."""
    if setup.image == IMAGE or (setup.app / "src" / "isles22_ensemble.py").is_file():
        return VERSION
    return f"{VERSION}+{hashlib.sha256(setup.image.encode()).hexdigest()[:12]}"


_OURS = frozenset((*SECRETS, *THREADS, PARENT, "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV"))


@dataclass(frozen=True)
class Task:
    """What DeepISLES is to do with the images in `folder` (dwi, adc and perhaps flair, by file name)."""

    folder: Path
    dwi: str
    adc: str
    flair: str | None
    fast: bool
    skull_strip: bool
    parallel: bool

    @property
    def results(self) -> Path:
        """Where DeepISLES writes; ours to read, nobody else's."""
        return self.folder / "results"


@dataclass(frozen=True)
class Docker:
    """The way of a workstation."""

    program: str
    image: str
    image_id: str
    label: str

    def command(self, task: Task, name: str) -> tuple[str, ...]:
        """The command line for a container of that name. `--parallelize` turns parallel off: it is store_false."""
        flags = ["--save_team_outputs"]
        flags += ["--flair_file_name", task.flair] if task.flair else []
        flags += ["--fast"] if task.fast else []
        flags += ["--skull_strip"] if task.skull_strip else []
        flags += [] if task.parallel else ["--parallelize"]
        return (
            *(self.program, "run", "--rm", "--pull=never", "--gpus", "all", "--name", name, "--label", self.label),
            *("-v", f"{task.folder}:{INSIDE}", self.image),
            *("--dwi_file_name", task.dwi, "--adc_file_name", task.adc, *flags),
        )

    def provenance(self) -> dict[str, str]:
        """What is to be known of it afterwards."""
        return {"way": "docker", "image": self.image, "image_id": self.image_id}


@dataclass(frozen=True)
class Conda:
    """The way inside a Space that is built on DeepISLES' image."""

    program: str
    app: Path

    def command(self, job: Path) -> tuple[str, ...]:
        """The command line for a job file that the adapter reads."""
        run = (self.program, "run", "--no-capture-output", "-n", ENVIRONMENT)
        return (*run, "python", str(ADAPTER), str(job))

    def job(self, task: Task) -> dict[str, object]:
        """The job file's content."""
        return {
            "app": str(self.app),
            "dwi": str(task.folder / task.dwi),
            "adc": str(task.folder / task.adc),
            "flair": str(task.folder / task.flair) if task.flair else None,
            "output": str(task.results),
            "fast": task.fast,
            "skull_strip": task.skull_strip,
            "save_team_outputs": True,
            "parallelize": task.parallel,
        }

    def provenance(self) -> dict[str, str]:
        """What is to be known of it afterwards."""
        return {"way": "conda", "environment": ENVIRONMENT}


def find_way(setup: Setup) -> Docker | Conda | Missing:
    """The way that this machine has, or why it has none. Asks Docker and the GPU, and starts nothing."""
    if setup.way == "off":
        return Missing("DeepISLES is switched off on this machine", "set STROKESCOPE_DEEPISLES to auto")
    inside = (setup.app / "src" / "isles22_ensemble.py").is_file()
    if setup.way == "conda" or (setup.way == "auto" and inside):
        found: Docker | Conda | Missing = _conda(setup, inside)
    else:
        found = _docker(setup)
    return found if isinstance(found, Missing) else _gpu(setup) or found


def _conda(setup: Setup, inside: bool) -> Conda | Missing:
    hint = "build the Space on DeepISLES' image, see docs/deepisles.md"
    if not inside:
        return Missing("DeepISLES is not in this container", hint)
    if not _has_something(setup.app / "weights"):
        return Missing("DeepISLES is here, but its weights are not", "use the published image, which holds them")
    program = setup.program("conda")
    if program is None:
        return Missing("conda is not on PATH, so DeepISLES' environment cannot be entered", hint)
    return Conda(program, setup.app)


def _has_something(folder: Path) -> bool:
    try:
        return any(folder.iterdir())
    except OSError:
        return False


def _docker(setup: Setup) -> Docker | Missing:
    program = setup.program("docker")
    if program is None:
        return Missing("neither DeepISLES nor Docker is on this machine", "install Docker, see docs/deepisles.md")
    status, said = ask(setup, program, "image", "inspect", "--format", "{{.Id}}", setup.image)
    if status is None:
        return Missing("Docker does not answer", "restart Docker, then try again")
    if status != 0:
        found = diagnose(status, said, setup.image)
        return found if "status" not in found.sentence else no_image(setup.image)
    return Docker(program, setup.image, said.strip().splitlines()[-1] if said.strip() else "unknown", setup.label)


def _gpu(setup: Setup) -> Missing | None:
    hint = "run it on a machine with an NVIDIA GPU of 12 GB or more"
    program = setup.program("nvidia-smi")
    if program is None:
        return Missing("DeepISLES needs an NVIDIA GPU, and this machine shows none", hint)
    status, said = ask(setup, program, "-L")
    if status != 0 or not said.strip():
        return Missing("the GPU's driver does not answer", "check that nvidia-smi works on this machine")
    return None


def ask(setup: Setup, *argv: str, limit_s: float = ASK_S) -> tuple[int | None, str]:
    """Exit status and output of a short question; None when there is no answer in time or no such program."""
    try:
        done = subprocess.run(
            argv, env=dict(setup.environ), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=limit_s, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None, ""
    return done.returncode, done.stdout.decode("utf-8", "replace")
