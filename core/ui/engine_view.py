"""Choosing an engine: which, with which model and parameters, what it is validated for, and whether it can run here.

Everything that must be known of an engine before it is run stands in the row or below it. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.case import CaseRef
from core.errors import BadParameter
from core.segmentation.engine import ENGINES, Choice, EngineInfo, Missing, Parameter, Value
from core.segmentation.models import ModelFolder
from core.ui import loaders, messages, model_view
from core.ui.model_view import plain

BADGE_WIDTH = 132
_BACK = "engine-back"


@dataclass(frozen=True)
class Chosen:
    """An engine as it is to be asked.

    Attributes:
        engine: key in ENGINES.
        parameters: all of them, checked.
        model: for "network"; None otherwise.
        missing: why it cannot run on this machine, told already; None when it can. Run is disabled then.
        case_id: of the case it was chosen for.
    """

    engine: str
    info: EngineInfo
    parameters: Mapping[str, Value]
    model: ModelFolder | None = None
    missing: Missing | None = None
    case_id: str = ""


def wanted() -> str | None:
    """The engine that this session has chosen, or was shown first; None before."""
    found: str | None = st.session_state.get("engine")
    return found


def bring_back(engine: str, version: str, parameters: Mapping[str, Value]) -> None:
    """Choose what a job was asked with; to be called before the row is drawn."""
    st.session_state["engine"] = engine
    st.session_state[_BACK] = (engine, version, dict(parameters))


def choose(row: DeltaGenerator, case: CaseRef) -> Chosen | None:
    """The engine, its model and parameters; None while there is no model, with what to do told below the row."""
    with row:
        name = st.selectbox("Engine", list(ENGINES), key="engine", label_visibility="collapsed", width=130,
                            persist_state="session")  # fmt: skip
    model = model_view.pick(row) if name == model_view.NEEDS_ONE else None
    if name == model_view.NEEDS_ONE and model is None:
        return None
    folder = None if model is None else model.folder
    engine = loaders.engine(name, folder)
    info = engine.info
    with row:
        with st.container(key="engine-badge", width=BADGE_WIDTH):
            st.markdown(f":orange-badge[{standing(info)}]", help=f"{plain(info.label)}. {plain(info.validated)}")
        with st.popover("Parameters", icon=":material/tune:", key="parameters", width=136):
            parameters = _parameters(info, "" if model is None else info.version)
        with st.popover("About", icon=":material/warning:", key="engine-about", width=104,
                        help="Known failures, licence, task"):  # fmt: skip
            st.markdown(about(info))
    missing = loaders.engine_missing(name, folder)()
    if missing is not None:
        sentence = missing.sentence.rstrip(".")
        st.warning(f"**{sentence}.** {messages.capital(missing.hint)}.", icon=":material/block:")
    return Chosen(name, info, info.settle(parameters), model, missing, case.case_id)


def standing(info: EngineInfo) -> str:
    """What the row says of an engine in two words; the whole is its hover and About."""
    return "not validated" if info.validated.lower().startswith("not validated") else "validated elsewhere"


def about(info: EngineInfo) -> str:
    """What must be known of an engine, as markdown; a model's words are a stranger's, so none of them is markup."""
    inputs = ", ".join(n.upper() for n in info.inputs) + "".join(f", {n.upper()} if it is there" for n in info.optional)
    rows = [
        ("Validated", info.validated),
        ("Task", info.task),
        ("Needs", inputs),
        ("Probability", info.probability or "none: the mask is all it gives"),
        ("Version", info.version),
        ("Licence", info.licence),
        ("Cite", info.citation),
    ]
    told = [f"**{name}:** {plain(text)}" for name, text in rows]
    failures = "\n".join(f"- {plain(failure)}" for failure in info.failures)
    return "\n\n".join((*told, f"**Known failures**\n{failures}"))


def lacking(case_id: str, info: EngineInfo, there: Collection[str]) -> str:
    """What the engine needs and the case has not, and which others could do without it; "" for nothing.

    Args:
        there: names of the case's images.
    """
    missing = [name for name in info.inputs if name not in there]
    if not missing:
        return ""
    others = [name for name in ENGINES if name != model_view.NEEDS_ONE]
    able = [name for name in others if all(i in there for i in loaders.engine(name).info.inputs)]
    without = " and no ".join(name.upper() for name in missing)
    said = f"{plain(case_id)} has no {without}, which {plain(info.name)} needs."
    could = f" {' or '.join(able).capitalize()} could segment it." if able else ""
    return f"{said}{could} A model of your own (engine network) could segment it, if it needs no {without}."


def _parameters(info: EngineInfo, of: str) -> dict[str, Value]:
    """The widgets; `of` tells the parameters of one model from those of another."""
    where = f"p-{info.name}-{of}" if of else f"p-{info.name}"
    back = _brought_back(info)
    for name, value in back.items():
        st.session_state[f"{where}-{name}"] = value if isinstance(value, str) else float(value)
    return {
        p.name: _number(p, f"{where}-{p.name}", p.name in back)
        if isinstance(p, Parameter)
        else _word(p, f"{where}-{p.name}", p.name in back)
        for p in info.parameters
    }


def _brought_back(info: EngineInfo) -> dict[str, Value]:
    """The parameters of a job of this very engine that were to come back, once; nothing where they are none of it."""
    back = st.session_state.get(_BACK)
    if back is None or (back[0] == info.name and back[1] != info.version and info.name == model_view.NEEDS_ONE):
        return {}  # its model may still be on its way
    del st.session_state[_BACK]
    try:
        return info.settle(back[2]) if back[:2] == (info.name, info.version) else {}
    except BadParameter:
        return {}


def _number(p: Parameter, key: str, is_set: bool) -> float:
    """The widget; without a default of its own in the run that has set its value."""
    label = f"{p.label} ({p.unit})" if p.unit else p.label
    low, high, step = float(p.low), float(p.high), float(p.step)
    first: float | Literal["min"] = "min" if is_set else float(p.default)
    return float(st.number_input(label, low, high, first, step, key=key, help=p.help, persist_state="session"))


def _word(p: Choice, key: str, is_set: bool) -> str:
    index = 0 if is_set else p.options.index(p.default)
    found = st.selectbox(p.label, p.options, index=index, key=key, help=p.help, persist_state="session")
    return str(found)
