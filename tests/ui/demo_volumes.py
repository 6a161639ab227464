"""The demo's one registry of volumes, shared by its routes and its script."""

import functools

from core.ui.volumes import Volumes


@functools.cache
def volumes() -> Volumes:
    """The same object for every importer."""
    return Volumes()
