"""Models by name: folders, repositories of the Hub, and what a check says of them."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import BadModel, BadSource, DiskFull, HubCorrupt, HubNotFound, HubOffline
from core.hub.policy import Policies
from core.segmentation.engines import network_weights
from core.segmentation.engines.network import open_engine
from core.segmentation.engines.network_config import CONFIG_NAME
from core.segmentation.model_check import ModelReport, check_model
from core.segmentation.model_hub import RECORD, SPARE, model_hub
from core.segmentation.models import ModelFolder, find_model, models_root
from core.settings import Settings
from tests.hubserver.answers import Answer
from tests.hubserver.server import HubServer
from tests.segmentation.tiny_models import config, onnx_model, write_config

COMMIT, NEWER = "a" * 40, "b" * 40
REPO = "someone/dwi-model"
PLENTY = 10**12


class ModelServer:
    """A Hub with one repository of models, by way of the test Hub's own answers."""

    def __init__(self, hub: HubServer, folder: Path) -> None:
        self.hub, self.commit = hub, COMMIT
        self.files = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.files["evil.py"] = b"raise SystemExit"
        self.asked: list[str] = []
        self.ranges: list[tuple[int, int]] = []
        self.flip = False
        hub.answers[rf"^/api/models/{REPO}/revision/"] = self._revision
        hub.answers[rf"^/api/models/{REPO}/tree/"] = self._tree
        hub.answers[rf"^/{REPO}/resolve/"] = self._resolve

    def _revision(self, path: str) -> Answer:
        self.asked.append(path)
        return text(json.dumps({"sha": self.commit}).encode())

    def _tree(self, path: str) -> Answer:
        self.asked.append(path)
        entries = []
        for name, data in self.files.items():
            git = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
            entry: dict[str, object] = {"type": "file", "path": name, "size": len(data), "oid": git}
            if not name.endswith(".json"):
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
            entries.append(entry)
        return text(json.dumps(entries).encode())

    def _resolve(self, path: str) -> Answer:
        self.asked.append(path)
        data = self.files[path.rpartition("/")[2]]
        if self.flip and not path.endswith(".json"):
            data = bytes([data[0] ^ 1]) + data[1:]
        part = (self.hub.seen[-1].range or "").removeprefix("bytes=").partition("-")
        if not part[0]:
            return text(data)
        self.ranges.append((int(part[0]), int(part[2])))
        first = int(part[0])
        made = text(data[first:])
        return replace(made, status=206, headers={"Content-Range": f"bytes {first}-{part[2]}/{len(data)}"})


def text(data: bytes) -> Answer:
    return Answer(200, {"Content-Type": "application/octet-stream"}, len(data), lambda start, stop: data[start:stop])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ModelServer]:
    with HubServer() as hub:
        yield ModelServer(hub, onnx_model(tmp_path / "upstream", bias=-7.0))


def settings(tmp_path: Path, url: str, offline: bool = False) -> Settings:
    return Settings(hf_endpoint=url, cache_dir=tmp_path / "cache", state_dir=tmp_path / "state", hf_hub_offline=offline)


def get(server: ModelServer, tmp_path: Path, spec: str = f"hub:{REPO}", room: int = PLENTY) -> ModelFolder:
    return find_model(spec, settings(tmp_path, server.hub.url), room=lambda: room)


def test_a_repository_becomes_a_folder_pinned_to_its_commit_with_two_files_and_no_code(
    server: ModelServer, tmp_path: Path
) -> None:
    found = get(server, tmp_path)
    assert found.source == f"hub:{REPO}@{COMMIT}" and found.folder.name == COMMIT and found.note == ""
    assert sorted(path.name for path in found.folder.iterdir()) == [RECORD, "model.onnx", CONFIG_NAME]
    assert open_engine(found.folder).info.inputs == ("dwi", "adc")
    assert not any("evil" in path for path in server.asked)


def test_a_commit_that_is_here_costs_no_request(server: ModelServer, tmp_path: Path) -> None:
    first = get(server, tmp_path)
    server.asked.clear()
    assert get(server, tmp_path, first.source) == first and server.asked == []
    server.commit = NEWER
    assert get(server, tmp_path).source.endswith(NEWER) and get(server, tmp_path, first.source) == first


def test_offline_the_revision_as_last_seen_is_used_and_told(server: ModelServer, tmp_path: Path) -> None:
    first = get(server, tmp_path)
    off = settings(tmp_path, server.hub.url, offline=True)
    again = find_model(f"hub:{REPO}", off)
    assert again.folder == first.folder and COMMIT[:12] in again.note
    with pytest.raises(HubOffline):
        find_model("hub:someone/other", off)


def test_wrong_bytes_are_never_kept(server: ModelServer, tmp_path: Path) -> None:
    server.flip = True
    with pytest.raises(HubCorrupt, match=r"model\.onnx"):
        get(server, tmp_path)
    assert not (models_root(settings(tmp_path, "")) / REPO.replace("/", "--") / COMMIT).exists()
    server.flip = False
    assert get(server, tmp_path).folder.is_dir()


def test_what_was_changed_on_the_disk_is_fetched_again(server: ModelServer, tmp_path: Path) -> None:
    found = get(server, tmp_path)
    weights = found.folder / "model.onnx"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + b"!")
    os.utime(weights, ns=(1, 1))
    assert get(server, tmp_path).folder == found.folder and weights.read_bytes() == good


def test_a_broken_transfer_leaves_a_part_that_is_checked_like_the_rest(server: ModelServer, tmp_path: Path) -> None:
    part = models_root(settings(tmp_path, "")) / REPO.replace("/", "--") / f"{COMMIT}.part"
    part.mkdir(parents=True)
    (part / "model.onnx").write_bytes(server.files["model.onnx"])
    assert get(server, tmp_path).folder.is_dir()
    assert not any(path.endswith("model.onnx") for path in server.asked) and not part.exists()


def test_a_broken_transfer_goes_on_where_it_stopped(server: ModelServer, tmp_path: Path) -> None:
    part = models_root(settings(tmp_path, "")) / REPO.replace("/", "--") / f"{COMMIT}.part"
    part.mkdir(parents=True)
    whole = server.files["model.onnx"]
    (part / "model.onnx").write_bytes(whole[:50])
    assert (get(server, tmp_path).folder / "model.onnx").read_bytes() == whole
    assert server.ranges == [(50, len(whole) - 1)]


def test_a_part_of_other_bytes_is_thrown_away(server: ModelServer, tmp_path: Path) -> None:
    part = models_root(settings(tmp_path, "")) / REPO.replace("/", "--") / f"{COMMIT}.part"
    part.mkdir(parents=True)
    (part / "model.onnx").write_bytes(b"x" * len(server.files["model.onnx"]))
    with pytest.raises(HubCorrupt):
        get(server, tmp_path)
    assert get(server, tmp_path).folder.is_dir()


def test_a_model_that_does_not_fit_the_disk_is_not_begun(server: ModelServer, tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="may still be written"):
        get(server, tmp_path, room=SPARE // 2)
    assert not any("resolve" in path for path in server.asked)


def test_a_repository_without_a_model_says_what_is_missing(server: ModelServer, tmp_path: Path) -> None:
    whole = dict(server.files)
    del server.files["model.onnx"]
    with pytest.raises(BadModel, match=r"no model\.onnx"):
        get(server, tmp_path)
    server.files = {"configs_metadata.json": b"{}", "pytorch_model.bin": b"x"}
    server.commit = NEWER
    with pytest.raises(BadModel, match=CONFIG_NAME):
        get(server, tmp_path)
    server.files = {**whole, CONFIG_NAME: b"{}"}
    server.commit = "c" * 40
    with pytest.raises(BadModel, match="does not say"):
        get(server, tmp_path)


def test_weights_other_than_the_config_names_are_not_fetched(server: ModelServer, tmp_path: Path) -> None:
    said = config(network={"name": "onnx"}, weights={"file": "model.onnx", "sha256": "0" * 64})
    server.files[CONFIG_NAME] = json.dumps(said).encode()
    with pytest.raises(BadModel, match="sha256"):
        get(server, tmp_path)
    assert not any(path.endswith("model.onnx") for path in server.asked)


def test_a_repository_that_is_not_there_is_the_hubs_error(tmp_path: Path) -> None:
    with HubServer() as hub, pytest.raises(HubNotFound):
        find_model("hub:no/body", settings(tmp_path, hub.url))


@pytest.mark.parametrize("spec", ["hub:", "hub:a", "hub:a/b/c", "hub:../../etc", "hub:a/b@../x", "hub:a/b c"])
def test_a_name_that_is_no_repository_is_refused_without_a_request(tmp_path: Path, spec: str) -> None:
    with pytest.raises(BadSource):
        find_model(spec, settings(tmp_path, "http://127.0.0.1:9"))


@pytest.mark.parametrize("spec", ["", "/no/such/folder", "local:/no/such", "a\0b"])
def test_a_folder_that_is_not_there_is_told(tmp_path: Path, spec: str) -> None:
    with pytest.raises(BadModel):
        find_model(spec, settings(tmp_path, "http://127.0.0.1:9"))


def test_models_are_asked_for_where_the_hub_keeps_models(tmp_path: Path) -> None:
    hub = model_hub(settings(tmp_path, "https://hub.example"), Policies())
    from core.hub.client import RemoteFile

    assert hub.file_url(RemoteFile("a/b", COMMIT, "x y.onnx")) == f"https://hub.example/a/b/resolve/{COMMIT}/x%20y.onnx"
    hub.close()


def check(folder: Path, tmp_path: Path, **more: object) -> ModelReport:
    return check_model(str(folder), settings(tmp_path, "http://127.0.0.1:9"), **more)  # type: ignore[arg-type]


def test_a_check_tries_one_window_in_a_process_of_its_own(tmp_path: Path) -> None:
    report = check(onnx_model(tmp_path / "m"), tmp_path)
    assert report.ok and report.problem == "" and report.source == "local"
    assert report.trial["window"] == [32, 32, 32] and 0 <= report.trial["lowest"] <= report.trial["highest"] <= 1
    assert report.weights["format"] == network_weights.ONNX and report.about["inputs"] == ["dwi", "adc"]
    assert str(tmp_path) not in json.dumps(report.to_dict())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended without an answer"),
        ("print('nonsense')", "ended without an answer"),
        ("import json; print(json.dumps({'problem': {'message': 'no', 'hint': 'h'}}))", "no"),
    ],
)
def test_a_trial_that_dies_takes_nobody_with_it(tmp_path: Path, code: str, words: str) -> None:
    report = check(onnx_model(tmp_path / "m"), tmp_path, command=(sys.executable, "-I", "-c", code))
    assert not report.ok and words in report.problem and report.hint and report.about["name"] == "Tiny"


def test_a_check_of_no_model_says_why(tmp_path: Path) -> None:
    assert "no such folder" in check(tmp_path / "none", tmp_path).problem
    bad = write_config(tmp_path / "bad", config(patch=[33, 32, 32]))
    assert "multiple of 2" in check(bad, tmp_path).problem
    wrong = onnx_model(tmp_path / "wrong", channels=[{"modality": "dwi"}])
    assert "takes float32" in check(wrong, tmp_path).problem
    assert check(wrong, tmp_path, trial=False).ok
