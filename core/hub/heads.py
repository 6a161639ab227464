"""Heads: the first bytes of one image on the Hub, without the rest.

Of a whole file they are its first bytes; of a Parquet row they lie behind the page header in its column chunk. Nothing
vouches for them until the image is fetched: they are for telling what it would cost. Does not know what a NIfTI is.
"""

from __future__ import annotations

from core.errors import HubNoHeader
from core.hub.client import RemoteFile
from core.hub.columns import read_image
from core.hub.footer import Image, Row
from core.hub.page import HEAD_LIMIT, Value, place_value
from core.hub.ranges import Line, read_range
from core.hub.shards import Shard
from core.hub.thrift import Short

HEAD = 4096  # bytes that hold the header of an image and more
SMALL = 4 * 2**20  # a column chunk that is fetched as a whole where only that tells


def file_head(line: Line, file: RemoteFile, size: int, length: int = HEAD) -> bytes:
    """The first `length` bytes of a file of `size`, or all of them.

    Raises:
        HubError, FetchCancelled.
    """
    return read_range(line, file, 0, min(size, length))


def image_head(line: Line, file: RemoteFile, shard: Shard, row: Row, image: Image, length: int = HEAD) -> bytes | None:
    """The first bytes of a row's image, about `length` of them; None for a null.

    Costs one request of `length` bytes where the chunk is one plain value, as `datasets` writes it.

    Raises:
        HubNoHeader: the image is packed together with others, or compressed by Parquet, and larger than SMALL.
        HubError, FetchCancelled.
    """
    if image.present is False:
        return None
    chunk = image.stop - image.start
    if image.plain:
        head, value = _plain_head(line, file, image, length)
        if value is not None:
            return head[value.start :]
    if chunk > SMALL:
        raise HubNoHeader(
            f"this image is packed so that its header does not come alone ({chunk / 1e6:.0f} MB)",
            hint="fetch the image to see its size",
        )
    data = read_range(line, file, image.start, image.stop)
    found = read_image(shard.size, shard.footer, row, image, [(image.start, memoryview(data))])
    return None if found is None else bytes(found[:length])


def _plain_head(line: Line, file: RemoteFile, image: Image, length: int) -> tuple[bytes, Value | None]:
    """The chunk's first bytes, more of them where the page's own header is long, and where the value lies in them."""
    chunk, head = image.stop - image.start, b""
    for reach in (length, length + HEAD_LIMIT):
        stop = min(chunk, reach)
        if stop > len(head):
            head += read_range(line, file, image.start + len(head), image.start + stop)
        try:
            value = place_value(head, chunk, image.levels)
        except Short:
            continue
        return head, value
    return head, None
