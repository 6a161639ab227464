"""python -m tests.stress.shard_fuzz SEED COUNT FOLDER: damage shards and read them as a fetch does, without a network.

Parquet has no checksum, the images have one (gzip): so an image must be the row's own where the footer is whole, and
some image of the file, unchanged, where it is not. Says each round's number on stderr, so that a crash has one too.
"""

from __future__ import annotations

import gzip
import sys
from functools import cache
from pathlib import Path
from random import Random

from core.errors import BadVolume, HubCorrupt
from core.hub.cache import Cache, Key
from core.hub.columns import complete_rows, read_image
from core.hub.draft import Draft
from core.hub.footer import TAIL, Image, Row, footer_start, parse_footer
from core.hub.page import HEAD_LIMIT, find_value
from core.imaging.nifti import check_file
from core.resources.child import peak_rss_mb
from tests.hubserver.shards import COMMIT, REPO, Options, case, shard
from tests.stress.campaign import random_of

COLUMNS = ("dwi", "adc", "ctp")
MOST_MB = 1000  # resident, for shards of a few dozen KB
VARIANTS: tuple[tuple[int, Options], ...] = (
    (1, Options()),
    (1, Options(page_version="2.0")),
    (1, Options(compression="SNAPPY")),
    (1, Options(statistics=False)),
    (3, Options(dictionary=True)),
    (3, Options(compression="ZSTD", rows_per_group=2)),
)


@cache
def whole(index: int) -> bytes:
    """A shard of each variant; the first case lacks its CTP."""
    count, options = VARIANTS[index]
    cases = [case(n + 1, without=("ctp",) if n == 0 else ()) for n in range(count)]
    return shard(cases, options, COLUMNS)


@cache
def truth(index: int) -> dict[tuple[int, str], bytes]:
    """The decoded images by (row, column)."""
    rows = range(VARIANTS[index][0])
    cases = {(n, name): case(n + 1).images[name] for n in rows for name in COLUMNS if (n, name) != (0, "ctp")}
    return {key: gzip.decompress(image) for key, image in cases.items()}


def damage(data: bytes, random: Random) -> tuple[bytes, bool]:
    """(damaged file, whether its footer is whole)."""
    raw, start = bytearray(data), footer_start(data[-TAIL:], len(data))
    kind = random.choice(("footer", "footer", "body", "body", "length", "cut", "scribble"))
    if kind == "cut":
        return bytes(raw[: random.randrange(len(raw))]), False
    low, high = {"body": (0, start), "length": (len(raw) - 8, len(raw))}.get(kind, (start, len(raw) - 8))
    if kind == "body" and random.random() < 0.5:  # near a page's header, where a byte means most
        pages = [image.start for row in parse_footer(data[start:], len(data)).rows for image in row.images.values()]
        low = random.choice(pages)
        high = low + 60
    for _ in range(random.choice((1, 1, 2, 4))):
        at = random.randrange(low, high)
        width = 8 if kind == "scribble" else 1
        raw[at : min(high, at + width)] = random.randbytes(min(high, at + width) - at)
    return bytes(raw), kind == "body"


def value_of(data: bytes, footer: bytes, row: Row, image: Image) -> bytes | None:
    """An image's bytes as `core.hub.images` finds them."""
    chunk = data[image.start : image.stop]
    place = find_value(chunk[:HEAD_LIMIT], len(chunk), image.levels) if image.plain else None
    if place is not None:
        return chunk[place.start : place.stop]
    found = read_image(len(data), footer, row, image, [(image.start, memoryview(chunk))])
    return None if found is None else bytes(found)


def judge(index: int, data: bytes, sound: bool, cache_: Cache, random: Random) -> str:
    """What became of the file, in a word; AssertionError if that may not be."""
    try:
        start = footer_start(data[-TAIL:], len(data))
        footer = parse_footer(data[start:], len(data))
        rows = complete_rows(len(data), data[start:], footer, [(0, memoryview(data))]) if footer.unread else footer.rows
    except HubCorrupt:
        return "refused"
    images = [
        (n, row, name) for n, row in enumerate(rows) for name in row.images if row.images[name].present is not False
    ]
    assert not sound or {(n, name) for n, _, name in images} >= set(truth(index))
    result = "read"
    for n, row, name in random.sample(images, min(3, len(images))):
        image = row.images[name]
        assert 4 <= image.start <= image.stop <= start
        try:
            value = value_of(data, data[start:], row, image)
            if value is not None:
                decoded = kept(value, cache_)
        except (HubCorrupt, BadVolume):
            result = "refused"
            continue
        if value is None:
            assert not (sound and image.present), f"{name} of row {n} is a null, its footer says that it is not"
        elif sound:
            assert decoded == truth(index)[n, name], f"{name} of row {n} is another image"
        else:
            assert decoded in truth(index).values(), f"{name} of row {n} is no image of the file"
    return result


def kept(value: bytes, cache_: Cache) -> bytes:
    """The bytes by way of a draft, decoded."""
    draft = Draft(cache_, Key(REPO, COMMIT, "sub-01", "dwi"))
    try:
        draft.write(value)
        data = draft.finish(check_file).path.read_bytes()
    finally:
        draft.discard()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def main(seed: int, count: int, folder: Path) -> None:
    """All rounds."""
    cache_ = Cache(folder)
    for index in range(len(VARIANTS)):
        assert judge(index, whole(index), True, cache_, random_of(0, seed)) == "read"
    seen = {"read": 0, "refused": 0}
    for number in range(count):
        sys.stderr.write(f"round {number}\n")
        random = random_of(number, seed)
        index = random.randrange(len(VARIANTS))
        data, sound = damage(whole(index), random)
        seen[judge(index, data, sound, cache_, random)] += 1
    sys.stderr.write(f"{seen}, {peak_rss_mb():.0f} MB\n")
    assert min(seen.values()) > count / 20, "the damage proves nothing"
    assert peak_rss_mb() < MOST_MB, "too much memory"


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
