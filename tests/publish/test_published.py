"""From a source tree to `datasets.load_dataset` of what lies on the Hub: bytes, affines, lists, nulls, types, card.

Runs where `datasets` is installed, as test_datasets.py.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from core.publish.finish import finish
from core.publish.schema import features
from core.publish.staging import begin
from tests.publish.sending import OPTIONS, Place, place
from tests.publish.staged import MAKERS, REPO, REVISION, plan_of
from tests.publish.test_datasets import PYTHON, ROOT, image
from tests.publish.test_datasets import present as present


@pytest.mark.parametrize("schema", sorted(MAKERS))
def test_load_dataset_gives_back_the_source_from_the_hub(tmp_path: Path, schema: str) -> None:
    with place(tmp_path, 1, build=False) as first:
        at = Place(first.server, plan_of(tmp_path, schema), tmp_path / "staging")
        at.build()
        at.upload()
        with at.clients() as both, begin(at.folder, at.plan, REPO, REVISION) as staging:
            finish(staging, both.hub, both.pusher, OPTIONS)
        assert at.verify(read_back=None).ok
        done = subprocess.run(
            [PYTHON, str(ROOT / "tests" / "publish" / "loading.py"), REPO],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PATH": "", "HOME": str(tmp_path), "HF_ENDPOINT": at.server.url, "HF_HUB_DISABLE_XET": "1"},
        )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    info = features(at.plan.schema)["info"]
    assert isinstance(info, dict) and found["features"] == info["features"]
    rows = [row for shard in at.plan.shards for row in shard.rows]
    for row, got in zip(rows, found["rows"], strict=True):
        for name, files in row.files.items():
            wanted = [image(at.plan.root / file.path) for file in files]
            kind = at.plan.schema.column(name).kind
            assert got[name] == ((wanted if kind == "images" else wanted[0]) if wanted else ["NoneType", None])
        for name, value in row.values.items():
            assert got[name][1] == value
