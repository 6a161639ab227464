"""Resources: RAM and disk of the container, live, the previous run and the cache."""

from __future__ import annotations

from core.ui import loaders, resources_view

resources_view.draw(loaders.settings(), loaders.sampler(), loaders.cache(), loaders.results())
