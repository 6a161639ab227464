"""Pace: how far a job is and how long it still takes, from what was predicted and what was seen so far. Pure."""

from __future__ import annotations

LINE_BYTES_S = 12.5e6  # a guess of the line before anything was fetched: 100 Mbit/s
FETCH_SHARE = (0.05, 0.9)  # of the whole work, at least and at most, when images have to be got
BELIEF = 0.15  # the part of the work that a prediction is worth


def fetch_share(fetch_bytes: int, engine_s: float) -> float:
    """Which part of the whole work it is to get the images: 0 where nothing has to be got.

    Args:
        fetch_bytes: what crosses the network.
        engine_s: predicted for the engine.
    """
    if fetch_bytes <= 0:
        return 0.0
    fetch_s = fetch_bytes / LINE_BYTES_S
    least, most = FETCH_SHARE
    return min(most, max(least, fetch_s / max(0.1, fetch_s + engine_s)))


def whole(share: float, fetched: float, made: float) -> float:
    """The fraction of the whole work: a part `share` of it is getting images, the rest the engine's."""
    return min(1.0, max(0.0, share * fetched + (1.0 - share) * made))


def left_s(predicted_s: float, elapsed_s: float, fraction: float) -> float:
    """Seconds that the engine still takes.

    What was predicted counts as a small part of the work already seen; the further the work is, the more its own pace
    counts. One that stands still is never told to be nearly there.
    """
    done = min(1.0, max(0.0, fraction))
    whole_s = (BELIEF * predicted_s + elapsed_s) / (BELIEF + done)
    return (1.0 - done) * whole_s
