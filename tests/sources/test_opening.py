"""Source names, and who may use the owner's token."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from core.errors import BadSource, HubError
from core.hub.cache import Cache
from core.settings import Settings
from core.sources.opening import Spec, open_source, parse_spec
from tests.hubserver.server import HubServer

COMMIT = "a" * 40


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("sample", Spec("sample")),
        ("hub:a/b", Spec("hub", "a/b")),
        ("hub:a/b@refs/pr/1", Spec("hub", "a/b", "refs/pr/1")),
        ("local:~/cases", Spec("local", "~/cases")),
    ],
)
def test_the_three_forms(text: str, spec: Spec) -> None:
    assert parse_spec(text) == spec


@pytest.mark.parametrize(
    "text", ["", "hub:", "hub:a", "hub:a/../b", "hub:a/b@", "local:", "sample:1", "/data", "hub:a/b c"]
)
def test_anything_else_is_refused_with_the_forms(text: str) -> None:
    with pytest.raises(BadSource) as caught:
        parse_spec(text)
    assert "hub:OWNER/NAME" in caught.value.hint


@pytest.mark.parametrize(
    ("space", "named", "sent"), [("o/s", "o/other", False), ("o/s", "o/own", True), ("", "o/other", True)]
)
def test_a_visitor_of_a_space_cannot_use_the_owners_token(tmp_path: Path, space: str, named: str, sent: bool) -> None:
    with HubServer() as hub:
        hub.add_dataset(named, COMMIT, {"README.md": b"x"})
        settings = Settings.model_validate(
            {
                "source": "hub:o/own",
                "hf_endpoint": hub.url,
                "hf_token": "hf_ownertoken",
                "space_id": space,
                "cache_dir": tmp_path,
            }
        )
        source = open_source(f"hub:{named}", settings, Cache(tmp_path))
        with suppress(HubError, BadSource):  # the dataset holds no cases; only who asked matters here
            source.listing()
        assert hub.seen
        assert {seen.authorized for seen in hub.seen} == {sent}
