"""A Hub of our own on loopback, for tests and for trying the app by hand."""

from tests.hubserver.faults import Fault
from tests.hubserver.server import HubServer

__all__ = ["Fault", "HubServer"]
