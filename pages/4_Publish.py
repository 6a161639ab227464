"""Publish: a BIDS dataset to the Hub: check it, plan it, send it, prove that everything is there."""

from __future__ import annotations

from core.ui import getting, loaders, publish_view

getting.hold(())  # no image is on this screen
publish_view.draw(loaders.settings())
