"""Sentences on screen that may hold the words of a stranger's file."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.ui.messages import unmarked


@pytest.mark.parametrize(
    "hostile", ["![](https://x.org/p.png)", "[press](https://x.org)", "<img src=x>", "`code`", ":red[x]"]
)
def test_words_of_a_stranger_are_no_markup(hostile: str) -> None:
    said = unmarked(hostile)
    assert said.replace("\\", "") == hostile
    assert all(said[at - 1] == "\\" for at, letter in enumerate(said) if letter in "[]<>`")


def fails() -> None:
    from core.errors import BadModel
    from core.ui import messages

    messages.failure(BadModel("version ![](https://x.org/p.png)", hint="choose another"), "model")


def test_a_failure_draws_no_picture_out_of_a_models_words() -> None:
    app = AppTest.from_function(fails).run()
    assert "![](" not in app.error[0].value and "choose another" in app.error[0].value.lower()
