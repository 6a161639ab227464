"""DeepISLES as the facts say it behaves, without its networks: brightness alone. Run as the image's entry point, or
imported by the fake of its class. FAKE_SAYS chooses how it fails. Standard library only."""

from __future__ import annotations

import argparse
import array
import gzip
import os
import struct
import subprocess
import sys
import time
from pathlib import Path

SAYS = os.environ.get("FAKE_SAYS", "")
FAILS = {
    "oom": "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB (GPU 0; 7.79 GiB total capacity)",
    "no cuda": "RuntimeError: No CUDA GPUs are available",
    "no weights": "FileNotFoundError: [Errno 2] No such file or directory: '/app/weights/SEALS/nnUNet_trained_models'",
    "no memory": "numpy.core._exceptions.MemoryError: Unable to allocate 2.0 GiB for an array",
    "no skull": "AttributeError: 'str' object has no attribute 'get_fdata'",
    "strange": "ValueError: something else",
    "full": "OSError: [Errno 28] No space left on device",
}


def read(path: Path) -> tuple[tuple[int, ...], bytearray, array.array[float]]:
    """Shape, header and float32 voxels of a file of ours."""
    raw = path.read_bytes()
    raw = gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
    dim = struct.unpack_from("<8h", raw, 40)
    assert dim[0] == 3, "Error: ADC is not 3D"
    assert struct.unpack_from("<h", raw, 70)[0] == 16, "the fake reads float32 only"
    voxels: array.array[float] = array.array("f")
    voxels.frombytes(raw[352 : 352 + 4 * dim[1] * dim[2] * dim[3]])
    return dim, bytearray(raw[:352]), voxels


def mask_of(dwi: Path, value: int = 1) -> bytes:
    """A uint8 NIfTI file on the DWI's grid: bright voxels, or none if there is to be no lesion."""
    dim, header, voxels = read(dwi)
    struct.pack_into("<hh", header, 70, 2, 8)
    struct.pack_into("<fff", header, 108, 352.0, 1.0, 0.0)
    if SAYS == "other grid":
        struct.pack_into("<8h", header, 40, 3, dim[1], dim[2], dim[3] - 1, 1, 1, 1, 1)
        del voxels[dim[1] * dim[2] * (dim[3] - 1) :]
    limit = 0.6 * max(voxels)
    data = bytes(0 if SAYS == "empty" else value * (v > limit) for v in voxels)
    return gzip.compress(bytes(header) + data, 1, mtime=0)


def predict(
    dwi: Path,
    adc: Path,
    flair: Path | None,
    output: Path,
    fast: bool,
    skull_strip: bool,
    save_team_outputs: bool,
    parallelize: bool,
) -> None:
    """What the class does, with its ways to fail."""
    sys.stdout.write("Running SEALS algorithm ...\n")
    if os.environ.get("FAKE_STARTED"):
        Path(os.environ["FAKE_STARTED"]).write_text(str(os.getpid()))
    if SAYS == "slow":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])  # its algorithms are processes
        child.wait()
    if SAYS == "busy":
        time.sleep(1.0)
    if SAYS in FAILS:
        sys.stderr.write("Traceback (most recent call last):\n" + FAILS[SAYS] + "\n")
        sys.exit(1)
    if SAYS == "killed":
        os.kill(os.getpid(), 9)
    read(adc)
    output.mkdir(exist_ok=True)
    for path in (dwi, adc):  # it may write to what it is given
        path.write_bytes(path.read_bytes())
    data = mask_of(dwi, 2 if SAYS == "labels" else 1)
    teams = ["seals"] if fast or flair is None else ["seals", "nvauto", "factorizer"]
    teams = {"one fails": teams[:-1], "all fail": []}.get(SAYS, teams)
    if save_team_outputs and SAYS != "silent":
        (output / "output_teams").mkdir()
        for team in teams:
            (output / "output_teams" / team).mkdir()
            (output / "output_teams" / team / "lesion_msk.nii.gz").write_bytes(data)
    leave_mask(output, data)
    sys.stdout.write(f"Finished: {dwi}\n")


def leave_mask(output: Path, data: bytes) -> None:
    """Where it belongs, or wherever FAKE_SAYS."""
    if SAYS == "elsewhere":
        (output.parent / "lesion_msk.nii.gz").write_bytes(data)
        (output / "lesion.nii.gz").write_bytes(data)
    elif SAYS == "torn":
        (output / "lesion_msk.nii.gz").write_bytes(data[:-100])
    elif SAYS != "no mask":
        (output / "lesion_msk.nii.gz").write_bytes(data)


def main(argv: list[str]) -> None:
    """As `main.py` in the image; the first word stands for the mount at /app/data."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data")
    parser.add_argument("--dwi_file_name", required=True)
    parser.add_argument("--adc_file_name", required=True)
    parser.add_argument("--flair_file_name")
    for flag in ("--fast", "--skull_strip", "--save_team_outputs", "--results_mni"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--parallelize", action="store_false")
    got = parser.parse_args(argv)
    data = Path(got.data)
    flair = got.flair_file_name and data / got.flair_file_name
    predict(
        data / got.dwi_file_name,
        data / got.adc_file_name,
        flair,
        data / "results",
        got.fast,
        got.skull_strip,
        got.save_team_outputs,
        got.parallelize,
    )


if __name__ == "__main__":
    main(sys.argv[1:])
