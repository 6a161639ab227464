"""What counts as a lesion: two channels propose components, rules reject them, each with its reason.

The fine channel finds emboli by their peak, the coarse one territorial infarcts by their asymmetry. Pure functions on
the Evidence of one head; units are in the field names of Rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from core.segmentation.engines.diffusion_brain import FULL, Array, Bools, close
from core.segmentation.engines.diffusion_evidence import Evidence

PEAK_REACH_MM = 6.0  # a voxel is compared with the brightest one of its component within this distance
MARGIN_MM = 4.0  # ring around a component for its local contrast, and tolerance of the mirrored look-up
STRONG = 1.5  # times the contrast limit (twice the seed): a focal lesion that may have a counterpart
RELATIVE_ASYMMETRY = 0.35  # of the local contrast: artefacts at the skull base are bright on both sides
SHINE = 5.0  # ln(DWI ratio) over the ADC drop at b = 1000 s/mm2: more is T2, pile-up or noise, not diffusion
PARTIAL = 1.25  # of adc_max: a bright voxel beside an accepted lesion may share its volume with CSF
SHINE_ML = 0.2  # smaller bright pieces are partial volumes of grey matter and CSF
RIM = 0.35  # of a component's neighbourhood outside the brain: it lies on the rim
TERRITORY_ML = 1.0  # the coarse channel does not see smaller


@dataclass(frozen=True)
class Rules:
    """Thresholds; names are those of the engine's parameters.

    Attributes:
        adc_core, adc_max: 1e-6 mm2/s.
        z_seed, z_grow: robust z of the DWI.
        peak_fraction: of the local peak's z.
        local_contrast, asymmetry: z above the surroundings, z above the mirrored side.
        dwi_ratio, adc_ratio: over the background.
        min_volume: ml.
        smoothing: mm, full width at half maximum.
    """

    adc_core: float
    adc_max: float
    z_seed: float
    z_grow: float
    peak_fraction: float
    local_contrast: float
    asymmetry: float
    dwi_ratio: float
    adc_ratio: float
    min_volume: float
    smoothing: float

    @classmethod
    def of(cls, parameters: Mapping[str, float]) -> Rules:
        """From the engine's settled parameters."""
        return cls(**parameters)


@dataclass(frozen=True, eq=False)
class Verdict:
    """What the rules decided.

    Attributes:
        lesion: (X, Y, Z) bool, accepted.
        suspect: (X, Y, Z) bool, proposed and rejected.
        rejected_ml: reason -> ml of rejected components.
        rejected_count: reason -> number of rejected components.
        paired_ml: accepted although the other side looks alike.
        shine_ml: as bright as a seed, but with an ADC above the limit: never proposed.
        rim_ml: accepted although it lies on the rim of the brain.
    """

    lesion: Bools
    suspect: Bools
    rejected_ml: Mapping[str, float]
    rejected_count: Mapping[str, int]
    paired_ml: float
    shine_ml: float
    rim_ml: float = 0.0


@dataclass(frozen=True)
class Traits:
    """One component of the fine channel, in numbers the rules can judge.

    Attributes:
        volume_ml, peak_z, mean_ratio, mean_adc, mean_adc_ratio: of its voxels.
        contrast: mean z above the median of the ring around it.
        asymmetry: mean z above the bright end of the mirrored side; inf where there is no other side.
        shine: ln(DWI ratio) over the ADC drop at b = 1000; inf without a drop.
        rim: fraction of its neighbourhood that lies outside the brain.
    """

    volume_ml: float
    peak_z: float
    mean_ratio: float
    mean_adc: float
    mean_adc_ratio: float
    contrast: float
    asymmetry: float
    shine: float
    rim: float


def judge(traits: Traits, rules: Rules) -> str:
    """Why a component is not a lesion; "" accepts it, "paired" accepts it in spite of its twin on the other side."""
    if traits.volume_ml < rules.min_volume * 0.999:
        return "too small"
    if traits.mean_ratio < rules.dwi_ratio:
        return "hardly brighter than its background"
    if traits.mean_adc >= rules.adc_max or traits.mean_adc_ratio > rules.adc_ratio:
        return "ADC not lowered (T2 shine-through)"
    if traits.shine > SHINE:
        return "brighter than its ADC explains (T2 shine-through or artefact)"
    if traits.contrast < rules.local_contrast:
        return "no contrast with its surroundings"
    if traits.rim > RIM and traits.contrast < 2 * rules.local_contrast:
        return "rim of the brain"
    if traits.asymmetry >= max(rules.asymmetry, RELATIVE_ASYMMETRY * traits.contrast):
        return ""
    focal = traits.contrast >= STRONG * rules.local_contrast and traits.peak_z >= 2 * rules.z_seed
    if focal and traits.rim <= 0.15 and traits.mean_adc_ratio <= 0.9 * rules.adc_ratio:
        return "paired"
    return "the same on the other side"


def decide(evidence: Evidence, rules: Rules) -> Verdict:
    """Propose by both channels, reject by the rules, join what is left."""
    voxel_ml = float(abs(np.linalg.det(evidence.affine[:3, :3]))) / 1000.0
    territory = territories(evidence, rules, voxel_ml)
    suspect = np.zeros(evidence.tissue.shape, bool)
    lesion = territory.copy()
    millilitres: Counter[str] = Counter()
    count: Counter[str] = Counter()
    labels, _ = ndimage.label(propose(evidence, rules) & ~territory, FULL)
    paired = rim = 0.0
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        near = widen(box, evidence)
        part = labels[near] == index
        traits = measure(part, near, evidence, voxel_ml)
        reason = judge(traits, rules)
        if reason in ("", "paired"):
            lesion[near] |= part
            paired += traits.volume_ml if reason else 0.0
            rim += traits.volume_ml if traits.rim > RIM else 0.0
        else:
            suspect[near] |= part
            millilitres[reason] += traits.volume_ml  # type: ignore[assignment]
            count[reason] += 1
    lesion = with_bright_edge(lesion, evidence, rules)
    suspect &= ~lesion
    shine = shine_through(lesion, evidence, rules)
    return Verdict(lesion, suspect, dict(millilitres), dict(count), paired, shine, rim)


def propose(evidence: Evidence, rules: Rules) -> Bools:
    """The fine channel: grown from seeds by hysteresis, then only what reaches a fraction of the local peak."""
    possible = evidence.tissue & (evidence.adc < rules.adc_max) & (evidence.ratio >= rules.dwi_ratio)
    grown = possible & (evidence.z >= rules.z_grow)
    labels, number = ndimage.label(grown, FULL)
    seeded = np.zeros(number + 1, bool)
    seeded[np.unique(labels[grown & (evidence.z >= rules.z_seed)])] = True
    seeded[0] = False
    kept = seeded[labels]
    return np.asarray(kept & (evidence.z >= rules.peak_fraction * local_peak(kept, evidence)), dtype=np.bool_)


def shine_through(lesion: Bools, evidence: Evidence, rules: Rules) -> float:
    """Millilitres as bright as a seed with an ADC above the limit, away from the lesion and in pieces worth seeing."""
    bright = evidence.tissue & (evidence.z >= rules.z_seed) & (evidence.adc >= rules.adc_max)
    labels, _ = ndimage.label(bright & ~ndimage.binary_dilation(lesion, FULL), FULL)
    sizes = np.bincount(labels.ravel()) * float(np.prod(evidence.spacing)) / 1000.0
    return float(sizes[1:][sizes[1:] >= max(rules.min_volume, SHINE_ML)].sum())


def local_peak(mask: Bools, evidence: Evidence) -> Array:
    """Largest z of the mask's voxels within PEAK_REACH_MM along each axis; 0 where there is none."""
    size = [2 * int(PEAK_REACH_MM // s) + 1 for s in evidence.spacing]
    peak = ndimage.maximum_filter(np.where(mask, evidence.z, np.float32(0)), size=size)
    return np.asarray(peak, dtype=np.float32)


def with_bright_edge(lesion: Bools, evidence: Evidence, rules: Rules) -> Bools:
    """The lesion and the touching voxels that are as bright, though CSF in them lifts their ADC."""
    bright = (evidence.z >= rules.z_seed) & (evidence.z >= rules.peak_fraction * local_peak(lesion, evidence))
    touching = ndimage.binary_dilation(lesion, FULL) & evidence.tissue & (evidence.adc < PARTIAL * rules.adc_max)
    return np.asarray(lesion | (touching & bright), dtype=np.bool_)


def territories(evidence: Evidence, rules: Rules, voxel_ml: float) -> Bools:
    """The coarse channel: large regions brighter and with lower ADC than the other side, refined to their voxels."""
    region = (
        (evidence.wide_z >= rules.z_grow)
        & (evidence.wide_ratio >= rules.dwi_ratio)
        & (evidence.wide_adc_ratio > 0)
        & (evidence.wide_adc_ratio <= rules.adc_ratio)
        & (evidence.wide_adc < rules.adc_max)
    )
    labels, _ = ndimage.label(region)
    accepted = np.zeros(region.shape, bool)
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        near = widen(box, evidence)
        part = labels[near] == index
        if np.count_nonzero(part) * voxel_ml < TERRITORY_ML or float(evidence.wide_z[near][part].max()) < rules.z_seed:
            continue
        body = refine(part, near, evidence, rules)
        if body.any() and measure(body, near, evidence, voxel_ml).shine <= SHINE:  # else the fine channel judges it
            accepted[near] |= body
    return main_territories(accepted, voxel_ml)


def refine(part: Bools, near: tuple[slice, slice, slice], evidence: Evidence, rules: Rules) -> Bools:
    """Voxels around a territorial region that share its brightness; its inner holes included."""
    ratio, tissue = evidence.ratio[near], evidence.tissue[near]
    typical = float(np.median(ratio[part]))
    reach = ndimage.distance_transform_edt(~part, sampling=evidence.spacing) <= 2 * MARGIN_MM
    bright = ratio >= max(rules.dwi_ratio, 1.0 + rules.peak_fraction * (typical - 1.0))
    body = reach & tissue & bright & (evidence.adc[near] < rules.adc_max)
    return np.asarray(close(body, 1.01 * min(evidence.spacing), evidence.spacing) & tissue & reach, dtype=np.bool_)


def main_territories(mask: Bools, voxel_ml: float) -> Bools:
    """Components of at least TERRITORY_ML; crumbs around them are left to the fine channel."""
    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel()) * voxel_ml
    sizes[0] = 0
    return np.asarray((sizes >= TERRITORY_ML)[labels], dtype=np.bool_)


def widen(box: tuple[slice, ...], evidence: Evidence) -> tuple[slice, slice, slice]:
    """A box with room for the ring and the refinement."""
    pad = [int(np.ceil(2 * MARGIN_MM / s)) + 1 for s in evidence.spacing]
    shape = evidence.tissue.shape
    a, b, c = (slice(max(0, s.start - p), min(n, s.stop + p)) for s, p, n in zip(box, pad, shape, strict=True))
    return a, b, c


def measure(part: Bools, near: tuple[slice, slice, slice], evidence: Evidence, voxel_ml: float) -> Traits:
    """The traits of one component; `part` is (x, y, z) bool within the box `near`."""
    z, other, seen = evidence.z[near], evidence.other_z[near], evidence.seen[near]
    brain, adc, adc_ratio = evidence.brain[near], evidence.adc[near], evidence.adc_ratio[near]
    distance = ndimage.distance_transform_edt(~part, sampling=evidence.spacing)
    step = 1.01 * max(min(evidence.spacing), 1.0)
    around = distance <= MARGIN_MM + step
    ring = around & (distance > step * 1.5) & evidence.tissue[near]
    mean_z = float(z[part].mean())
    opposite = other[(distance <= MARGIN_MM) & seen & brain]
    drop = (evidence.background_adc - float(adc[part].mean())) / 1000.0
    ratio = float(evidence.ratio[near][part].mean())
    return Traits(
        volume_ml=float(np.count_nonzero(part)) * voxel_ml,
        peak_z=float(z[part].max()),
        mean_ratio=ratio,
        mean_adc=float(adc[part].mean()),
        mean_adc_ratio=float(adc_ratio[part].mean()),
        contrast=mean_z - (float(np.median(z[ring])) if ring.any() else 0.0),
        asymmetry=mean_z - float(np.percentile(opposite, 90)) if opposite.size >= 5 else float("inf"),
        shine=float(np.log(max(ratio, 1e-3))) / drop if drop > 0 else float("inf"),
        rim=float((~brain)[around].mean()),
    )


def score(evidence: Evidence, verdict: Verdict, rules: Rules) -> Array:
    """(X, Y, Z) float32 in 0..1, at least 0.5 exactly where the verdict says lesion.

    It crosses 0.5 where z crosses its local threshold, so that a finer grid gets the border between voxels. What was
    proposed and rejected stays visible below 0.5. It is a rank, not a calibrated probability.
    """
    threshold = np.maximum(np.float32(rules.z_grow), rules.peak_fraction * local_peak(verdict.lesion, evidence))
    margin = np.clip((evidence.z - threshold) / threshold, -1.0, 1.0)
    inside = 0.55 + 0.45 * np.maximum(margin, 0.0)
    touching = ndimage.binary_dilation(verdict.lesion, FULL) & evidence.tissue
    beside = np.where(margin > 0, np.float32(0.3), 0.45 * (1.0 + margin))
    elsewhere = np.where(verdict.suspect, np.float32(0.25), np.float32(0))
    outside = np.where(touching, np.maximum(beside, elsewhere), elsewhere)
    return np.where(verdict.lesion, inside, outside).astype(np.float32)
