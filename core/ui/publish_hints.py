"""Hints: the next steps of the command line in the words of the Publish page, with the button that does it. Pure."""

from __future__ import annotations

import re

GO_ON, AGAIN = "press Go on", "press Again"  # the buttons of a publisher that ended, and of a check that did
NOT_TWICE = "what was done is not done again"
ROLL = "free shards once they are proven (--rolling)"
_RESTART = "restart the app"
_MORE = "under Change, More"
_DO = "{press}"
_WORDS = {
    "run it again to go on: what was recorded is not done again": f"{_DO}: {NOT_TWICE}",
    "run it again to go on": _DO,
    "run it again": _DO,
    "start again: it goes on where it stopped": f"{_DO}: {NOT_TWICE}",
    "start again": _DO,
    "start it again": _DO,
    "then go on": f"then {_DO}",
    "publish again": _DO,
    "build again, or run it again": _DO,
    "build again: only these are made anew; then upload again": f"{_DO}: only these are made anew",
    "build again": _DO,
    "build it first": _DO,
    "build first": _DO,
    "build the others": f"{_DO}: the others are built",
    "upload again": _DO,
    "upload first": _DO,
    "upload the others": f"{_DO}: the others are sent",
    "send it again": _DO,
    "verify first": _DO,
    "verify: it is read back first": f"{_DO}: it is read back first",
    "verify once more before anything is removed": f"{_DO}: it is verified once more; remove nothing before",
    "give the folder that was built into": f"{_DO}: it is built anew",
    "publish from a new staging folder": "choose a new staging folder under Change",
    "publish it from a new staging folder": "choose a new staging folder under Change",
    "publish it from a new staging folder, with --replace": (
        f"choose a new staging folder under Change, and “Replace what is there” {_MORE}"
    ),
    "publish all of it from a new staging folder": "choose a new staging folder under Change",
    "choose another staging folder, and build there": "choose another staging folder under Change",
    "give the limit of a shard that it was begun with": f"write the size of a shard that it was begun with {_MORE}",
    "run it again (or build, then upload)": _DO,
    "publish from a new one": "choose a new one under Change",
    "publish to another repository or branch": "choose another repository under Change",
    "choose another staging folder": "choose another staging folder under Change",
    "choose another folder or schema": "choose another folder or kind of dataset under Change",
    "choose another schema": "choose another kind of dataset under Change",
    "give a limit above 0": f"write a size of a shard above 0 {_MORE}",
    "allow larger shards, with several rows each": f"allow larger shards {_MORE}",
    "--replace puts ours": f"“Replace what is there” {_MORE}, puts ours",
    "name the right one with --licence": f"name the right one {_MORE}",
    "leave --licence out": f"leave the licence empty {_MORE}",
    "leave --revision out": "leave the branch out",
    "leave --no-create out, and it is made, private; or make it": "make it",
    ROLL: f"switch on “Free each shard once it is proven” {_MORE}",
    "be overridden with --despite CODE": "be overridden under the check",
    "mend it, as the report in the staging folder says (validation.md)": "mend it, as is said below",
    "mend it, as validation.md in the staging folder says": "mend it, as the check says",
    "say that it is a part": f"say {_MORE}, that it is a part",
    "check again when nobody writes there": "press Check again when nobody writes there",
    "validate the folder first": "look at what the check found",
    "set HF_TOKEN to one that may write, and start again": f"set HF_TOKEN to one that may write, {_RESTART}, and {_DO}",
    "set HF_TOKEN for a higher limit": f"set HF_TOKEN for a higher limit and {_RESTART}",
    "set HF_TOKEN": f"set HF_TOKEN and {_RESTART}",
    "use another HF_TOKEN": f"set another HF_TOKEN and {_RESTART}",
    "make a token with write access at huggingface.co/settings/tokens": (
        f"make a token with write access at huggingface.co/settings/tokens, set it as HF_TOKEN and {_RESTART}"
    ),
    "give a repository of your own with --repo, or set HF_TOKEN to a token of somebody who belongs there": (
        "choose a repository of your own under Change, or set HF_TOKEN to a token of somebody who belongs there and "
        f"{_RESTART}"
    ),
    "copy the token again": f"copy the token again and {_RESTART}",
    "unset it to publish": f"unset it and {_RESTART}",
    "cached cases, local: folders and the sample cohort work; unset it to fetch more": f"unset it and {_RESTART}",
    "try again, or use the sample cohort meanwhile": _DO,
    "check the network; what is cached works meanwhile": f"check the network, and {_DO}",
    "choose the case again to fetch it": _DO,
    "check the source's name and revision": "check the repository's name",
    "write it like hub:owner/name": "write it like owner/name",
    ", choose a smaller image, or use": ", or use",
}
_KNOWN = re.compile("|".join(map(re.escape, sorted(_WORDS, key=len, reverse=True))), re.IGNORECASE)
_LOWER = {said.lower(): words for said, words in _WORDS.items()}


def for_the_page(hint: str, press: str = GO_ON) -> str:
    """A next step of the command line in the page's words.

    Args:
        press: which button does it all again.
    """

    def told(found: re.Match[str]) -> str:
        words = _LOWER[found[0].lower()].format(press=press)
        return words[:1].upper() + words[1:] if found[0][:1].isupper() else words

    return _KNOWN.sub(told, hint)
