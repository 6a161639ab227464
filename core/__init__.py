"""Strokescope's core: everything but the pages. `__version__` is the version of the whole program."""

__version__ = "0.5.0"
