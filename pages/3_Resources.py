"""Resources: RAM and disk of the container, live, the previous run and the cache."""

from __future__ import annotations

from core.ui import getting, loaders, resources_view

getting.hold(())  # no image is on this screen
resources_view.draw(loaders.settings(), loaders.sampler(), loaders.cache(), loaders.results(), loaders.guard())
