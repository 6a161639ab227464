"""J and K anywhere on the page: the next and the previous case, also while images are on their way.

The browser counts the presses and sends the sum, so that none is lost however fast they come and whatever the page is
doing meanwhile. Knows no cases; says how many steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import streamlit as st

_SEEN = "key-steps"

_LISTENER = """
const slots = new WeakMap()
const typing = (e) => {
  const target = e.composedPath()[0]
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || target.matches('textarea, select, input:not([type=range])')
}
export default function (component) {
  const { parentElement } = component
  let slot = slots.get(parentElement)
  if (!slot) {
    slot = { id: crypto.randomUUID?.() ?? String(Math.random()), sum: 0 }
    slot.press = (e) => {
      if (e.ctrlKey || e.metaKey || e.altKey || e.shiftKey || e.isComposing || e.defaultPrevented || typing(e)) return
      const by = { j: 1, k: -1 }[e.key.toLowerCase()]
      if (!by) return
      slot.sum += by
      slot.component.setStateValue('steps', { id: slot.id, sum: slot.sum })
    }
    window.addEventListener('keydown', slot.press)
    slots.set(parentElement, slot)
  }
  slot.component = component
  return () => { window.removeEventListener('keydown', slot.press); slots.delete(parentElement) }
}
"""


def listen(move: Callable[[int], None], key: str = "case-keys") -> None:
    """Listen for J and K; `move` is called with the number of rows to go, before the page runs again."""

    def pressed() -> None:
        value = st.session_state.get(key)
        steps = new_steps(value.get("steps") if isinstance(value, Mapping) else None, st.session_state)
        if steps:
            move(steps)

    mount = st.components.v2.component("strokescope_keys", js=_LISTENER, html="<i></i>")
    mount(key=key, width=1, height=1, on_steps_change=pressed)


def new_steps(value: object, session: Any) -> int:
    """Steps since the last look: the browser's sum less what was seen of it. Another page load counts from zero."""
    if not isinstance(value, Mapping):
        return 0
    raw = cast(Mapping[str, object], value)
    name, total = raw.get("id"), raw.get("sum")
    if not isinstance(name, str) or not isinstance(total, int) or abs(total) > 100_000:
        return 0
    seen_name, seen = session.get(_SEEN, ("", 0))
    session[_SEEN] = (name, total)
    return total - seen if seen_name == name else total
