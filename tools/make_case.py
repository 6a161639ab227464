"""Make a synthetic case on a chosen grid: `python -m tools.make_case --grid isles24 --out DIR`.

`isles24` is a released ISLES'24 grid (512 x 586 x 74, oblique) with a uint16 mask; `sample` the sample cohort's.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from core.imaging.nifti import write_volume
from core.imaging.phantom import Lesion, PhantomCase, head, isles24_grid, on_fine_grid
from core.imaging.volume import Volume
from core.sources.sample import sample_grid

CASE_ID = "sub-stroke9001"
LESIONS = (Lesion((-44, -2, 12), (30, 52, 40), 2.0, 430), Lesion((26, -50, 30), (7, 7, 7), 2.0, 470))
_MARK = "synthetic, Strokescope"


def isles24_grid_case(out_dir: Path, dtype: str = "float32", seed: int = 9001) -> dict[str, Path]:
    """Write dwi, adc (`dtype` on disk, "float32" or "float64") and lesion_mask (uint16); modality -> path."""
    shape, affine = isles24_grid()
    return _write(on_fine_grid(shape, affine, seed, LESIONS), out_dir, dtype)


def sample_grid_case(out_dir: Path, dtype: str = "float32", seed: int = 9001) -> dict[str, Path]:
    """The same head on the sample cohort's small grid, with every modality."""
    shape, affine = sample_grid()
    return _write(head(shape, affine, seed, LESIONS), out_dir, dtype)


def _write(case: PhantomCase, out_dir: Path, dtype: str) -> dict[str, Path]:
    out_dir.mkdir(parents=True, exist_ok=True)
    paths = {}
    for name, volume in case.images.items():
        paths[name] = out_dir / f"{CASE_ID}_ses-02_space-ncct_{name}.nii.gz"
        write_volume(volume, paths[name], dtype, _MARK)
    paths["lesion_mask"] = out_dir / f"{CASE_ID}_ses-02_space-ncct_lesion-msk.nii.gz"
    mask = Volume(case.lesion.data.astype(np.float32), case.lesion.affine)
    write_volume(mask, paths["lesion_mask"], "uint16", _MARK, step=1.0)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grid", choices=("isles24", "sample"), default="isles24")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--seed", type=int, default=9001)
    chosen = parser.parse_args()
    make = isles24_grid_case if chosen.grid == "isles24" else sample_grid_case
    for name, path in make(chosen.out, chosen.dtype, chosen.seed).items():
        print(f"{name}: {path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
