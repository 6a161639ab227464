"""Resources: RAM and disk of the container, live, the runs before, what steps cost, and the cache."""

from __future__ import annotations

from core.ui import calculator, getting, jobs_view, loaders, resources_view

getting.hold(())  # no image is on this screen
guard = loaders.guard()
resources_view.draw(
    loaders.settings(),
    loaders.sampler(),
    loaders.cache(),
    loaders.results(),
    resources_view.World(
        guard,
        loaders.breaker(),
        lambda: len(loaders.sessions()),
        lambda: calculator.draw(guard),
        loaders.past(),
        jobs_view.summary,
    ),
)
