"""What DeepISLES' output means when it fails: pure, from text and an exit status to one sentence and the next step.

Never quotes the output itself: it may name files. Runs nothing.
"""

from __future__ import annotations

from core.segmentation.engine_info import Missing
from core.segmentation.engines.deepisles_adapter import NO_DEEPISLES, NO_WEIGHTS

IMAGE_GB = 15
CLOSE = "close what else uses the GPU, choose the fast mode, or run the algorithms one after the other"

NO_IMAGE = ("unable to find image", "no such image", "no such object", "pull access denied", "manifest unknown")
WORDS: tuple[tuple[tuple[str, ...], str, str], ...] = (  # the first that fits counts: words, sentence, next step
    (
        ("permission denied while trying to connect", "dial unix /var/run/docker.sock: connect: permission denied"),
        "this user may not talk to Docker",
        "add the user to the group docker, or run Strokescope as one who may",
    ),
    (
        ("cannot connect to the docker daemon", "is the docker daemon running", "error during connect"),
        "Docker is installed, but its daemon is not running",
        "start Docker, then try again",
    ),
    (
        ("could not select device driver", "unknown or invalid runtime name: nvidia"),
        "Docker cannot reach a GPU on this machine",
        "install the NVIDIA Container Toolkit; DeepISLES needs an NVIDIA GPU",
    ),
    (
        ("nvidia-container-cli", "failed to initialize nvml", "found no nvidia driver", "no cuda gpus are available"),
        "the GPU's driver does not answer",
        "check that nvidia-smi works on this machine",
    ),
    (
        ("torch not compiled with cuda", "cuda driver version is insufficient", "no kernel image is available"),
        "DeepISLES' libraries do not fit this GPU or its driver",
        "update the driver, or use another machine",
    ),
    (("cuda out of memory", "cuda error: out of memory"), "the GPU's memory was not enough for DeepISLES", CLOSE),
    (
        ("no space left on device",),
        "there was no disk space left for DeepISLES",
        "free some disk space (docker system df shows what Docker holds), then try again",
    ),
    (
        ("environmentlocationnotfound", "could not find conda environment", "not a conda environment"),
        "the conda environment isles_ensemble is not there",
        "build the Space on DeepISLES' image, see docs/deepisles.md",
    ),
    (
        ("/app/weights", "checkpoint_final", "model_final_checkpoint", "model0.ts"),
        "DeepISLES' weights are missing or cannot be read",
        "use the published image, which holds them",
    ),
    (
        ("'str' object has no attribute 'get_fdata'",),
        "this release of DeepISLES cannot strip the skull without a FLAIR image",
        "switch skull stripping off, or give a FLAIR image",
    ),
    (
        ("is not 3d", "please provide a 3d volume"),
        "DeepISLES took one of the images for a series",
        "save one time point as a 3D file",
    ),
    (
        ("cannot allocate memory", "memoryerror", "std::bad_alloc", "unable to allocate"),
        "there was not enough memory for DeepISLES",
        "close other images, or run the algorithms one after the other",
    ),
)


def no_image(image: str) -> Missing:
    """DeepISLES' image is not on this machine; it is never pulled unasked."""
    said = f"DeepISLES' image is not on this machine (about {IMAGE_GB} GB)"
    return Missing(said, f"run: docker pull {image}")


def diagnose(status: int, output: str, image: str) -> Missing:
    """Why the program ended with this status and this output."""
    text = output.lower()
    if any(word in text for word in NO_IMAGE):
        return no_image(image)
    if status == NO_DEEPISLES:
        return Missing("there is no DeepISLES in the application folder", "build the Space on DeepISLES' image")
    if status == NO_WEIGHTS:
        return Missing("DeepISLES is here, but its weights are not", "use the published image, which holds them")
    for words, sentence, hint in WORDS:
        if any(word in text for word in words):
            return Missing(sentence, hint)
    if status in (137, -9):
        hint = "close other images, use a machine with more memory, or run the algorithms one after the other"
        return Missing("DeepISLES was killed, probably because the machine ran out of memory", hint)
    if status == 125:
        return Missing("Docker could not start DeepISLES (status 125)", "try docker run --rm --gpus all by hand")
    if status in (126, 127):
        return Missing(f"DeepISLES' image does not start (status {status})", "pull the image again")
    if status == 0:
        said = "DeepISLES ended without an error and without a mask: its algorithms failed inside"
        return Missing(said, "check the images and the GPU's memory, then run it again")
    return Missing(
        f"DeepISLES failed (status {status})", "run it again; if it fails again, report this with its status"
    )
