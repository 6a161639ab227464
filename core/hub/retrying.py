"""Retrying: a question to the Hub, asked again after failures that may pass.

Decides by the kind of the error and by the call's patience. Knows nothing of what is asked.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from core.errors import HubCorrupt, HubError, HubOffline, HubRateLimited, HubServerError, HubTimeout
from core.hub.policy import Cancelled, Patience

T = TypeVar("T")


def retrying(once: Callable[[], T], patience: Patience, cancelled: Cancelled) -> T:
    """What `once` returns, asked again after failures that may pass, within the patience, which tells of each wait.

    Raises:
        HubError: the last failure; one that cannot pass (denied, not found, offline by choice, a wait longer than the
            patience) at once.
    """
    corrupt = 0
    while True:
        before = patience.tries
        try:
            result = once()
        except (HubTimeout, HubServerError, HubRateLimited, HubOffline, HubCorrupt) as error:
            corrupt += isinstance(error, HubCorrupt)
            wait = error.retry_after_s if isinstance(error, HubRateLimited | HubServerError) else 0.0
            asked = patience.tries > before or isinstance(error, HubRateLimited)
            if not asked or corrupt > 1 or wait >= patience.call_left() or not patience.may_try_again():
                raise
            patience.say(_trouble(error, wait))
            patience.pause(wait, cancelled)
            if patience.call_left() <= 0:
                raise
        else:
            patience.say("")
            return result


def _trouble(error: HubError, wait: float) -> str:
    """What a user reads while we try again."""
    if wait > 0:
        return f"the Hub asks to wait {math.ceil(wait)} s"
    what = {HubTimeout: "nothing came from the Hub", HubCorrupt: "wrong bytes came"}.get(type(error), str(error))
    return f"{what}; trying again"
