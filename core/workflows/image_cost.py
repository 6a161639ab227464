"""Image cost: what an image costs to fetch and to hold, and what therefore becomes of a wish to see it.

`image_cost` asks for an image's header where its size calls for it (4 KB); `decide_view` is pure. The server's RAM is
no part of it: files are passed on in pieces and decoded by the browser. Fetches and draws nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.case import MODALITIES
from core.errors import HubNoHeader, OverBudget
from core.imaging.header import Header
from core.imaging.time_points import Series, time_points
from core.sources.headers import absent
from core.sources.protocol import Cancelled, Source, never
from core.workflows.explore_case import costs_network

ASK_FETCH = 16_000_000  # bytes to fetch that need no question: 1.3 s at 12.5 MB/s
ASK_DECODED = 256_000_000  # decoded bytes likewise: a CT of 512 x 512 x 256 at two bytes twice over
# A browser's tab holds the decoded file in one ArrayBuffer, of which 2 GiB is the most in common ones, and NiiVue makes
# it by joining the pieces of the decoded stream: for a moment it is there twice.
BROWSER_DECODED = 1_000_000_000
BROWSER_EDGE = 2048  # voxels along an axis: MAX_3D_TEXTURE_SIZE of common graphics (WebGL 2 promises only 256)


@dataclass(frozen=True)
class ImageCost:
    """What one image costs.

    Attributes:
        modality: a key of MODALITIES.
        fetch_bytes: still to fetch; 0 when the image is here, None when nobody knows.
        header: None when it was not asked for (a small image) or cannot be had without the image.
    """

    modality: str
    fetch_bytes: int | None
    header: Header | None

    @property
    def decoded_bytes(self) -> int | None:
        """Of the whole file."""
        return None if self.header is None else self.header.vox_offset + self.header.raw_bytes

    @property
    def screen_bytes(self) -> int | None:
        """Decoded bytes of what the browser gets: all of a 3D image, one time point of a 4D one."""
        return None if self.header is None else self.header.vox_offset + self.header.volume_bytes

    @property
    def series(self) -> Series | None:
        """The time axis of a 4D image; None for a 3D one, or while unknown."""
        return time_points(self.header) if self.header is not None and self.header.volumes > 1 else None

    def sentence(self) -> str:
        """For the screen: "CTA: 130.2 MB to fetch, 419.4 MB decoded (512 × 512 × 800 of 0.5 × 0.5 × 0.6 mm)"."""
        label = MODALITIES[self.modality].label
        fetch = "size not known" if self.fetch_bytes is None else f"{self.fetch_bytes / 1e6:.1f} MB to fetch"
        if self.fetch_bytes == 0:
            fetch = "already here"
        if self.header is None or self.decoded_bytes is None:
            return f"{label}: {fetch}, decoded size known after that"
        grid = " × ".join(str(n) for n in self.header.grid)
        spacing = " × ".join(f"{mm:.3g}" for mm in self.header.spacing_mm)
        times = f", {self.series.count} time points" if self.series else ""
        return f"{label}: {fetch}, {self.decoded_bytes / 1e6:.1f} MB decoded ({grid} of {spacing} mm{times})"


@dataclass(frozen=True)
class Limits:
    """What may be spent, in bytes (`edge` in voxels). `disk_free` is what may still be written; None for no limit."""

    disk_free: int | None = None
    ask_fetch: int = ASK_FETCH
    ask_decoded: int = ASK_DECODED
    decoded: int = BROWSER_DECODED
    edge: int = BROWSER_EDGE


@dataclass(frozen=True)
class Shows:
    """Fetch and show it."""


@dataclass(frozen=True)
class NeedsConsent:
    """Say the sentence and let the person decide before anything is fetched or shown."""

    sentence: str


@dataclass(frozen=True)
class OneTimePoint:
    """A 4D image: the browser gets one time point of it (`time_points.one_time_point`), never the whole.

    Attributes:
        ask: say the sentence and let the person decide before the whole file is fetched.
    """

    sentence: str
    series: Series
    ask: bool


@dataclass(frozen=True)
class Refused:
    """It cannot be shown here; `error` carries the numbers and what would help. It is to be told, not raised."""

    error: OverBudget


View = Shows | NeedsConsent | OneTimePoint | Refused


def decide_view(cost: ImageCost, limits: Limits) -> View:
    """What becomes of the wish to see an image of this cost."""
    refusal = _disk_refusal(cost, limits) or _browser_refusal(cost, limits)
    if refusal is not None:
        return Refused(refusal)
    much_to_fetch = cost.fetch_bytes is None or cost.fetch_bytes >= limits.ask_fetch
    if cost.series is not None:
        return OneTimePoint(cost.sentence(), cost.series, ask=much_to_fetch)
    unknown_4d = cost.header is None and MODALITIES[cost.modality].is_4d
    if much_to_fetch or unknown_4d or (cost.screen_bytes or 0) >= limits.ask_decoded:
        return NeedsConsent(cost.sentence())
    return Shows()


def _disk_refusal(cost: ImageCost, limits: Limits) -> OverBudget | None:
    extra = (cost.screen_bytes or 0) if cost.series is not None else 0
    need = (cost.fetch_bytes or 0) + extra
    if not need or limits.disk_free is None or need <= limits.disk_free:
        return None
    label = MODALITIES[cost.modality].label
    return OverBudget(
        f"{label} needs {need / 1e6:.1f} MB of disk, {max(0, limits.disk_free) / 1e6:.1f} MB are free",
        hint="choose another image, clear the cache on the Resources page, or use a larger machine",
    )


def _browser_refusal(cost: ImageCost, limits: Limits) -> OverBudget | None:
    if cost.header is None or cost.screen_bytes is None:
        return None
    label, grid = MODALITIES[cost.modality].label, " × ".join(str(n) for n in cost.header.grid)
    if max(cost.header.grid) > limits.edge:
        return OverBudget(
            f"{label} has {grid} voxels, browsers draw at most {limits.edge} along an axis",
            hint="save it from the command line (python -m core fetch) and open it in a program on your machine",
        )
    if cost.screen_bytes > limits.decoded:
        return OverBudget(
            f"{label} takes {cost.screen_bytes / 1e6:.0f} MB decoded ({grid} voxels), a browser holds "
            f"{limits.decoded / 1e6:.0f} MB",
            hint="save it from the command line (python -m core fetch) and open it in a program on your machine",
        )
    return None


def image_cost(source: Source, case_id: str, modality: str, cancelled: Cancelled = never) -> ImageCost:
    """What the image costs now. Asks for the header of what is here, large, 4D or of unknown size, and of no other.

    Raises:
        ModalityAbsent, CaseNotFound, HubError, BadVolume, FetchCancelled: as the source does.
    """
    case = source.case(case_id, cancelled)
    if modality not in MODALITIES or (case.modalities is not None and modality not in case.modalities):
        raise absent(case_id, modality)
    here = not costs_network(source) or modality in source.cached(case_id)
    size = 0 if here else case.sizes.get(modality)
    if size and size < ASK_FETCH and not MODALITIES[modality].is_4d:
        return ImageCost(modality, size, None)
    try:
        header: Header | None = source.header(case_id, modality, cancelled)
    except HubNoHeader:
        header = None
    return ImageCost(modality, size, header)
