"""Hubs: one client for each endpoint and identity, for all sources of a process.

What the Hub allows, it allows an identity: sources that share a client share its connections, and what one of them has
heard of a rate limit holds for all. Makes no request.
"""

from __future__ import annotations

import threading

from core.hub.client import Hub
from core.hub.policy import Policies
from core.settings import Settings


def hub_for(settings: Settings, policies: Policies | None = None) -> Hub:
    """A client of its own for these settings.

    Raises:
        BadSettings: HF_ENDPOINT is no address, or HF_TOKEN no token.
    """
    return Hub(settings.hf_endpoint, _token(settings), settings.hf_hub_offline, policies)


class Hubs:
    """The clients made so far. Shared by threads; holds as many as there are identities."""

    def __init__(self, policies: Policies | None = None) -> None:
        self._policies = policies
        self._lock = threading.Lock()
        self._made: dict[tuple[str, str | None, bool], Hub] = {}

    def of(self, settings: Settings) -> Hub:
        """The client for these settings, made at the first call; another one without the token.

        Raises:
            BadSettings: HF_ENDPOINT is no address, or HF_TOKEN no token.
        """
        key = (settings.hf_endpoint.rstrip("/"), _token(settings), settings.hf_hub_offline)
        with self._lock:
            if key not in self._made:
                self._made[key] = hub_for(settings, self._policies)
            return self._made[key]

    def close(self) -> None:
        """Close the idle connections of all."""
        with self._lock:
            for hub in self._made.values():
                hub.close()


def _token(settings: Settings) -> str | None:
    return settings.hf_token.get_secret_value() if settings.hf_token else None
