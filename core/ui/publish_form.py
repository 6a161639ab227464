"""Form of the Publish page: which folder, as what, where to, and how. Takes what a person types and checks it.

Nothing of it is in the address or the log. Starts nothing but the check (publish_desk.py).
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core.errors import StrokescopeError
from core.settings import Settings
from core.ui import messages
from core.ui.publish_boxes import show
from core.ui.publish_desk import Desk, Kept
from core.ui.publish_token import Writer
from core.ui.publish_wish import LABELS, Wish, checked, default_staging

_KINDS = {
    "isles24": "train/raw_data, derivatives and phenotype, as on Zenodo",
    "arc": "OpenNeuro ds004884: sub-…/ses-…, derivatives/lesion\\_masks",
    "bids": "columns are found in the folder itself",
}


def draw(desk: Desk, settings: Settings, writer: Writer, before: Wish | None, back: Callable[[], None]) -> Kept | None:
    """The form; what was begun with it, None while nothing was.

    Args:
        before: fills it in. back: shows that publication again, as it is.
    """
    told = before or Wish("", "bids", "", "")
    usual = str(default_staging(settings.state_dir, "OWNER/NAME"))
    with st.form("publish-form"):
        source = st.text_input(
            "Folder of the dataset", told.source, key="publish-source", max_chars=4000, autocomplete="off",
            placeholder="/data/ds004884", help="On the computer that this app runs on",
        )  # fmt: skip
        schema = st.radio("What it is", list(LABELS), index=list(LABELS).index(told.schema), horizontal=True,
                          key="publish-schema", format_func=LABELS.__getitem__,
                          captions=[_KINDS[name] for name in LABELS])  # fmt: skip
        left, right = st.columns(2, gap="medium")
        repo = left.text_input("Repository on the Hub", told.repo, key="publish-repo", max_chars=200,
                               placeholder="OWNER/NAME",
                               help="It is made if there is none: private, or public if More says so")  # fmt: skip
        staging = right.text_input(
            "Staging folder", told.staging, key="publish-staging", max_chars=4000, autocomplete="off",
            placeholder=usual,
            help="Shards are built here before they are sent; new or empty, or the one that was begun for this",
        )  # fmt: skip
        wish = _more(Wish(source or "", schema or "bids", repo or "", staging or ""), told)
        asked = st.form_submit_button("Check and plan", type="primary", icon=":material/fact_check:",
                                      disabled=not writer.may)  # fmt: skip
    if before is not None and st.button("Back", key="publish-leave", icon=":material/arrow_back:",
                                        help="Changes nothing"):  # fmt: skip
        back()
    st.caption("Checking reads every file and changes nothing. Nothing is sent before you press Publish.")
    return _begin(desk, settings, writer, wish) if asked and writer.may else None


def _more(wish: Wish, told: Wish) -> Wish:
    """What few need."""
    with st.expander("More", icon=":material/tune:"):
        left, right = st.columns(2, gap="medium")
        with left:
            part = st.toggle("The folder is a part of the dataset", told.part, key="publish-part",
                             help="Smaller numbers of subjects and images are no errors then")  # fmt: skip
            rolling = st.toggle("Free each shard once it is proven", told.rolling, key="publish-rolling",
                                help="For a disk that is smaller than the dataset: a shard is deleted from the staging "
                                "folder only after the repository was seen to hold it")  # fmt: skip
            public = st.toggle("Make it public", told.public, key="publish-public",
                               help="A repository that is not there yet is made private otherwise")  # fmt: skip
            replace = st.toggle("Replace what is there", told.replace, key="publish-replace",
                                help="Send shards in place of others of the same names, of another dataset or an older "
                                "version; otherwise that is refused")  # fmt: skip
        with right:
            licence = st.text_input("Licence", told.licence, key="publish-licence", max_chars=60,
                                    placeholder="the source's", help="Like cc-by-4.0")  # fmt: skip
            limit = st.text_input("Size of a shard", told.limit, key="publish-limit", max_chars=20,
                                  placeholder="500M", help="At most, where a shard holds several rows")  # fmt: skip
            bandwidth = st.text_input("Bytes a second", told.bandwidth, key="publish-bandwidth", max_chars=20,
                                      placeholder="no limit", help="That are sent at most, like 5M")  # fmt: skip
            back = st.text_input("Shards to read back at the end", told.read_back, key="publish-back", max_chars=8,
                                 placeholder="none", help='A number, or "all": they are fetched, and every image is '
                                 "compared with the source")  # fmt: skip
    return Wish(
        wish.source, wish.schema, wish.repo, wish.staging, rolling=rolling, part=part, licence=licence or "",
        limit=limit or "", bandwidth=bandwidth or "", public=public, replace=replace, read_back=back or "",
    )  # fmt: skip


def _begin(desk: Desk, settings: Settings, writer: Writer, wish: Wish) -> Kept | None:
    """Check what was typed and begin; None after a refusal was told."""
    try:
        found = checked(wish, settings.state_dir)
        refused = writer.refusal(found.repo)
        if refused:
            show("bad", refused, writer.remedy)
            return None
        known = desk.find(found.key)
        if known is not None and desk.at_work(known):
            return known  # what works there is shown, and not disturbed
        kept = desk.keep(found)
        if not desk.at_work(kept):
            desk.check(kept)
    except StrokescopeError as error:
        messages.failure(error, "publish-form")
        return None
    return kept
