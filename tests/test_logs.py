"""Logs: one line per message, never a token."""

import logging

import pytest

from core.logs import configure_logging


def test_tokens_never_reach_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("strokescope")
    before = logger.handlers[:]
    logger.handlers.clear()
    try:
        configure_logging()
        configure_logging()
        logging.getLogger("strokescope.hub").warning("sent %s with Bearer abc.def", "hf_0123456789abcdef")
        try:
            raise ValueError("Bearer hf_aaaabbbbcccc")
        except ValueError:
            logging.getLogger("strokescope.app").exception("a page failed")
    finally:
        logger.handlers[:] = before
        logger.propagate = True
    said = capsys.readouterr().err
    assert said.count("sent ***") == 1
    assert "Traceback" in said
    assert "aaaabbbb" not in said
    assert "hf_0123" not in said
    assert "abc.def" not in said
