"""Logging for entry points.

`configure_logging()` is called by the command line, the supervisor and the app, never by a library module. Lines go to
stderr. A filter keeps the Hub token out whatever a message holds; callers keep patient fields and file names out.
"""

from __future__ import annotations

import logging
import re
import sys

_TOKEN = re.compile(r"hf_[A-Za-z0-9]{8,}|(?i:bearer)\s+\S+")


class _NoSecrets(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        clean = _TOKEN.sub("***", text)
        if clean != text:
            record.msg, record.args = clean, ()
        return True


def configure_logging(level: int = logging.INFO) -> None:
    """Send `strokescope.*` loggers to stderr, one line per message, without tokens; twice is once."""
    logger = logging.getLogger("strokescope")
    logger.setLevel(level)
    if logger.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(_NoSecrets())
    logger.addHandler(handler)
    logger.propagate = False
