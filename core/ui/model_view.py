"""The model of the engine "network": choosing one, what it says of itself, and getting it with progress and Cancel.

Models that this installation offers are there for everybody; other repositories and folders only where naming them is
safe. A model is told by its own words before a byte of its weights is fetched. Runs none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.errors import BadModel, StrokescopeError
from core.segmentation.engines.network_config import CONFIG_NAME, ModelConfig
from core.segmentation.models import HUB, LOCAL, ModelFolder, ModelLook, offered, split
from core.sources.protocol import Cancelled, Report
from core.ui import loaders, messages
from core.ui.getting import visit
from core.ui.source_picker import may_open_folders
from core.ui.waiting import outcome, retry
from core.workflows.bring_model import Bring, title

_NAMED, _CHOSEN, _WANTED, _FOLDER = "models-named", "model-chosen", "models-wanted", "model-folder"
NEEDS_ONE = "network"
MOST_NAMED = 8
WIDTH = 168  # of the button, whatever the model is called


def pick(row: DeltaGenerator) -> ModelFolder | None:
    """The chosen model, here and opened; None while it is not, with what to do told below the row."""
    known = [*offered(loaders.settings()), *st.session_state.get(_NAMED, [])]
    with row, st.popover(_label(known), icon=":material/deployed_code:", key="models", width=WIDTH):
        _choices(known)
    spec = st.session_state.get(_CHOSEN)
    if spec is None or spec not in known:
        _nothing(known)
        return None
    look = _look(spec)
    if look is None:
        return None
    found = look.model
    if found is None and look.source not in st.session_state.get(_WANTED, set()):
        _offer(look)
        return None
    if look.note:
        st.caption(look.note)
    got = _get(spec, look)
    st.session_state[_FOLDER] = None if got is None else got.folder
    return got


def chosen_folder() -> Path | None:
    """Where the model lies that this session last had ready; None for none, or when it is gone."""
    folder: Path | None = st.session_state.get(_FOLDER)
    return folder if folder is not None and folder.is_dir() else None


def lacks_model(engine: str) -> bool:
    """Whether this engine needs a model and none is chosen."""
    return engine == NEEDS_ONE and st.session_state.get(_CHOSEN) is None


def bring_back(spec: str) -> bool:
    """Choose the model that a job was run with (JobRecord.model); False where it may not be chosen here."""
    offers = offered(loaders.settings())
    found = choice_for(spec, offers, may_name())
    if found is not None:
        _remember(found, offers)
        st.session_state["model-radio"] = found
    return found is not None


def choice_for(spec: str, offers: Sequence[str], may: tuple[bool, bool]) -> str | None:
    """How a job's model is chosen here: as it is offered, or by its own name where that may be named. Pure.

    Args:
        may: name repositories, and folders.
    """
    if spec in offers or (spec.startswith(HUB) and may[0]):
        return spec
    if spec.startswith(HUB):
        return next((one for one in offers if one.partition("@")[0] == spec.partition("@")[0]), None)
    folder = spec.removeprefix(LOCAL)
    same = (one for one in offers if not one.startswith(HUB) and _folder(one) == _folder(folder))
    return next(same, folder if may[1] else None)


def _folder(spec: str) -> str:
    return os.path.realpath(Path(spec.removeprefix(LOCAL)).expanduser())


def may_name() -> tuple[bool, bool]:
    """Whether this visitor may name repositories, and folders: on a Space what is offered is all there is."""
    return not loaders.settings().space_id, may_open_folders()


def _label(known: Sequence[str]) -> str:
    spec = st.session_state.get(_CHOSEN)
    return f"Model: {short(spec)}" if spec in known and spec is not None else "Choose a model"


def short(spec: str) -> str:
    """What the button says: the repository's or the folder's own name."""
    return title(spec).partition("@")[0].rpartition("/")[2].removeprefix(HUB)[:28]


def _choices(known: Sequence[str]) -> None:
    if known:
        now = st.session_state.get(_CHOSEN)
        st.radio("Models", known, index=known.index(now) if now in known else None, key="model-radio",
                 format_func=title, on_change=_choose_listed)  # fmt: skip
    repositories, folders = may_name()
    if not repositories:
        st.caption("This app offers these models only. Run Strokescope on your own computer to bring another.")
        return
    forms = "hub:OWNER/NAME[@REVISION]" + (" or a folder of this computer" if folders else "")
    said = f"A repository or folder with {CONFIG_NAME} and its weights; docs/models.md."
    with st.form("model-form", border=False):
        text = st.text_input("Another model", placeholder=forms, key="model-text", max_chars=400, help=said)
        if st.form_submit_button("Look at it"):
            _name(text or "", folders)
    st.caption("No code of a model is ever run; pickles and TorchScript are refused.")


def _choose_listed() -> None:
    st.session_state[_CHOSEN] = st.session_state["model-radio"]


def _name(text: str, folders: bool) -> None:
    """Take what a person typed, if it may be named here."""
    try:
        spec = spec_of(text, folders)
    except StrokescopeError as error:
        st.error(f"{messages.sentence(error)}. {messages.capital(error.hint)}.")
        return
    _remember(spec, offered(loaders.settings()))
    st.rerun()


def _remember(spec: str, offers: Sequence[str]) -> None:
    """Choose it, and list it for this session where it is not offered to everybody."""
    named = [one for one in st.session_state.get(_NAMED, []) if one != spec]
    if spec not in offers:
        st.session_state[_NAMED] = [*named, spec][-MOST_NAMED:]
    st.session_state[_CHOSEN] = spec


def spec_of(text: str, folders: bool) -> str:
    """What a person typed, as find_model takes it.

    Raises:
        BadModel: nothing, or a folder where none may be named.
        BadSource: no repository.
    """
    text = text.strip()
    if text.startswith(HUB):
        split(text)
        return text
    if not text:
        raise BadModel("there is no name", hint="write hub:OWNER/NAME")
    if not folders:
        hint = "write hub:OWNER/NAME, or start the app with STROKESCOPE_MODELS=DIR"
        raise BadModel("folders can only be opened by a browser on the same machine", hint=hint)
    return text


def _nothing(known: Sequence[str]) -> None:
    if known or may_name()[0]:
        st.info("The engine network runs a model that you bring. Choose one under “Choose a model”.")
    else:
        said = "No model is offered here (STROKESCOPE_MODELS is empty). Choose another engine."
        st.info(said, icon=":material/deployed_code:")


def _look(spec: str) -> ModelLook | None:
    """What the model says of itself; None after a failure was told."""
    key, tasks = ("model-look", spec), loaders.lists()
    bring = Bring(loaders.settings())
    if not spec.startswith(HUB):
        tasks.drop_done(key)  # its owner may have changed it
    try:
        look: ModelLook = outcome(
            tasks, key, "Looking at the model", lambda report, cancelled: bring.describe(spec, cancelled)
        )
    except StrokescopeError as error:
        messages.failure(error, "model", lambda: retry(tasks, key))
        return None
    return look


def _offer(look: ModelLook) -> None:
    """The model in its own words, and the button that gets it."""
    wanted = st.session_state.setdefault(_WANTED, set())
    with st.container(border=True, key="model-card"):
        st.markdown("\n".join(f"- {line}" for line in in_words(look.config)))
        st.button(f"Get the model · {messages.megabytes(look.bytes)}", type="primary", key="get-model",
                  icon=":material/download:", on_click=wanted.add, args=(look.source,))  # fmt: skip
        st.caption(f"From {plain(look.source.removeprefix(HUB))}; checked by its sha256. {messages.NOTICE}.")


def _get(spec: str, look: ModelLook) -> ModelFolder | None:
    """The model, fetched and opened; None after a failure was told."""
    wanted, tasks, visitor = spec if look.model is not None else look.source, loaders.fetches(), visit()
    key = ("model", look.source if spec.startswith(HUB) else spec)
    bring = Bring(loaders.settings())

    def work(report: Report, cancelled: Cancelled) -> ModelFolder:
        return bring.get(wanted, visitor(report), report, cancelled)

    try:
        tasks.drop_done(key)  # its files may have gone; what was hashed once is not hashed again
        found: ModelFolder = outcome(tasks, key, "Getting the model", work)
    except StrokescopeError as error:
        messages.failure(error, "model", lambda: retry(tasks, key))
        return None
    return found


def in_words(config: ModelConfig) -> list[str]:
    """What a reader must know of a model before it is fetched; a stranger's words, so none of them is markup."""
    inputs = ", ".join(name.upper() for name in config.modalities)
    said = (
        ("Model", f"{config.name} {config.version} ({config.network})"),
        ("Task", config.task),
        ("Needs", inputs),
        ("Validated", config.validated),
        ("Licence", config.licence),
        ("Cite", config.citation),
    )
    return [f"**{name}:** {plain(text)}" for name, text in said] + [f"**Limit:** {plain(s)}" for s in config.limits]


def plain(text: str) -> str:
    """Text of a stranger, in which nothing is markup."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]()#+-.!|<>~$:&" else c for c in text)
