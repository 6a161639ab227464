"""Choosing an engine: which, with which model and parameters, what it is validated for, and whether it can run here.

Everything that must be known of an engine before it is run stands in the row or below it. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.case import CaseRef
from core.segmentation.engine import ENGINES, Choice, EngineInfo, Missing, Parameter, Value
from core.segmentation.models import ModelFolder
from core.ui import loaders, messages, model_view
from core.ui.model_view import plain

BADGE_WIDTH = 132


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


def choose(row: DeltaGenerator, case: CaseRef) -> Chosen | None:
    """The engine, its model and parameters; None while there is no model, with what to do told below the row."""
    with row:
        name = st.selectbox("Engine", list(ENGINES), key="engine", label_visibility="collapsed", width=130,
                            persist_state="session")  # fmt: skip
    model = model_view.pick(row) if name == "network" else None
    if name == "network" and model is None:
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


def _parameters(info: EngineInfo, of: str) -> dict[str, Value]:
    """The widgets; `of` tells the parameters of one model from those of another."""
    where = f"p-{info.name}-{of}" if of else f"p-{info.name}"
    return {
        p.name: _number(p, f"{where}-{p.name}") if isinstance(p, Parameter) else _word(p, f"{where}-{p.name}")
        for p in info.parameters
    }


def _number(p: Parameter, key: str) -> float:
    label = f"{p.label} ({p.unit})" if p.unit else p.label
    low, high, default, step = float(p.low), float(p.high), float(p.default), float(p.step)
    return float(st.number_input(label, low, high, default, step, key=key, help=p.help, persist_state="session"))


def _word(p: Choice, key: str) -> str:
    index = p.options.index(p.default)
    found = st.selectbox(p.label, p.options, index=index, key=key, help=p.help, persist_state="session")
    return str(found)
