"""For all tests: how fast an example of hypothesis runs is this machine's business; which file runs where."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

from tests.lanes import Lanes, rank

settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")


@pytest.hookimpl(tryfirst=True, optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Lanes | None:
    """Lanes instead of plain files; any other way of distribution is left as it is."""
    if config.getvalue("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Lanes(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The order in which files begin."""
    items.sort(key=lambda item: rank(item.nodeid))
