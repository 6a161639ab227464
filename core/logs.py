"""Logging for entry points.

`configure_logging()` is called by the command line, the supervisor and the app, never by a library module. Lines go to
stderr. The formatter keeps the Hub token out whatever a message holds; callers keep patient fields and file names out.
"""

from __future__ import annotations

import logging
import re
import sys

_TOKEN = re.compile(r"hf_[A-Za-z0-9]{8,}|(?i:bearer)\s+\S+")


class _NoSecrets(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return _TOKEN.sub("***", super().format(record))  # the traceback too


def configure_logging(level: int = logging.INFO) -> None:
    """Send `strokescope.*` loggers to stderr, one line per message, without tokens; twice is once."""
    logger = logging.getLogger("strokescope")
    logger.setLevel(level)
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_NoSecrets("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logger.addHandler(handler)
    logger.propagate = False
