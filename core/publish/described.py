"""Described: the repository's card as it is there, read and compared with what it must tell. Sends nothing."""

from __future__ import annotations

from typing import Literal

from core.errors import HubCorrupt, HubNotFound, HubServerError, NotSent
from core.hub.client import Hub, RemoteFile
from core.hub.policy import Cancelled
from core.hub.ranges import Line, copy_whole
from core.publish.card import About, tells
from core.publish.proof import GONE, Remote, stopping

PATH = "README.md"
MOST_BYTES = 5 * 2**20  # of a card that we read; the Hub takes no larger ones
Described = Literal["", "missing", "different"]


def described(hub: Hub, remote: Remote, wanted: About, cancelled: Cancelled) -> Described:
    """What is wrong with the card; "" if it tells what it must, whatever else a person wrote there.

    Raises:
        HubError: the Hub could not be asked. PublishCancelled.
    """
    if PATH not in remote.files:
        return "missing"
    try:
        return "" if tells(wanted, read(hub, remote, cancelled)) else "different"
    except (NotSent, HubCorrupt):
        return "different"
    except HubNotFound:
        return "missing"
    except HubServerError as error:
        if error.storage_status not in GONE:
            raise
        return "missing"


def read(hub: Hub, remote: Remote, cancelled: Cancelled) -> str:
    """The card; "" if there is none. Raises NotSent for one that is too long, HubError, PublishCancelled."""
    file: RemoteFile | None = remote.files.get(PATH)
    if file is None or not file.size:
        return ""
    if file.size > MOST_BYTES:
        raise NotSent("the repository's card is too long to be read", hint="shorten it, then start again")
    body = bytearray()
    with stopping():
        copy_whole(Line(hub, hub.policies.transfer, cancelled), file, file.size, body.extend)
    return body.decode("utf-8", "replace")
