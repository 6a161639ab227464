"""Writes: what the test Hub does with an upload: repositories, LFS objects in one or several parts, commits.

Keeps objects apart from commits, as the real one does: a commit names an object by its sum and is believed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.hubserver.answers import Answer, json_answer, text_answer
from tests.hubserver.faults import Fault

if TYPE_CHECKING:
    from tests.hubserver.server import Dataset, HubServer

_LFS = re.compile(r"\.(parquet|nii\.gz|nii|bin)$")


@dataclass
class Writes:
    """What was written, and who may write.

    Attributes:
        users: token -> what whoami answers; empty: every token may write everything.
        revoked: tokens that are refused.
        private: repositories that were made for their owner alone.
        objects: LFS objects by their sha256.
        parts: of objects that come in several.
        part_bytes: objects above this come in parts of it; None: never.
        takes: files that a repository takes; a commit beyond is refused.
        received: bytes of objects by their sha256, those of torn transfers included.
        puts: whole transfers by sha256.
        committed: paths of every commit, in order.
    """

    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[tuple[str, int], bytes] = field(default_factory=dict)
    part_bytes: int | None = None
    takes: int | None = None
    received: Counter[str] = field(default_factory=Counter)
    puts: Counter[str] = field(default_factory=Counter)
    committed: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(frozen=True)
class Sent:
    """One request that writes.

    Attributes:
        found: what the pattern of its path matched.
    """

    hub: HubServer
    found: re.Match[str]
    body: bytes
    token: str | None
    fault: Fault | None

    @property
    def told(self) -> Any:
        """Its body as JSON."""
        return json.loads(self.body or b"{}")


def write_answer(
    hub: HubServer, method: str, path: str, body: bytes, token: str | None, fault: Fault | None
) -> Answer | None:
    """The answer to a request that writes or asks who may; None if it is another one."""
    if token is not None and fault is not None and fault.kind == "expire":
        hub.writes.revoked.add(token)
    if token in hub.writes.revoked:
        return json_answer({"error": "Invalid user token."}, 401, {"X-Error-Message": "Invalid user token."})
    for wanted, pattern, respond in _ROUTES:
        if wanted == method and (found := pattern.fullmatch(path)):
            if token is None and not path.startswith("/lfs/"):
                return json_answer({"error": "Unauthorized"}, 401, {})
            with hub.writes_lock:
                return respond(Sent(hub, found, body, token, fault))
    return None


def _whoami(sent: Sent) -> Answer:
    users = sent.hub.writes.users
    if users and sent.token not in users:
        return json_answer({"error": "Invalid user token."}, 401, {"X-Error-Message": "Invalid user token."})
    return json_answer(users.get(sent.token or "", person("tester")))


def person(name: str, role: str = "write", orgs: Mapping[str, str] | None = None) -> dict[str, Any]:
    """What whoami says of somebody: the token's role, and the roles in organisations."""
    listed = [{"name": org, "roleInOrg": held, "type": "org"} for org, held in (orgs or {"owner": "write"}).items()]
    token = {"displayName": "t", "role": role}
    return {"type": "user", "name": name, "orgs": listed, "auth": {"type": "access_token", "accessToken": token}}


def _create(sent: Sent) -> Answer:
    repo = "/".join(part for part in (sent.told.get("organization"), sent.told["name"]) if part)
    url = f"{sent.hub.url}/datasets/{repo}"
    if repo in sent.hub.datasets:
        return json_answer({"error": "You already created this dataset repo", "url": url}, 409, {})
    if sent.told.get("visibility") == "private":
        sent.hub.writes.private.add(repo)
    sent.hub.add_dataset(repo, hashlib.sha1(repo.encode()).hexdigest(), {".gitattributes": b"*.parquet filter=lfs\n"})
    return json_answer({"url": url, "name": repo})


def _validate(sent: Sent) -> Answer:
    good = str(sent.told["content"]).startswith("---\n")
    return json_answer({"errors": [] if good else [{"message": "no metadata"}], "warnings": []}, 200 if good else 400)


def _preupload(sent: Sent) -> Answer:
    files = []
    for file in sent.told["files"]:
        mode = "lfs" if _LFS.search(file["path"]) or file["size"] > 10 * 2**20 else "regular"
        files.append({"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None})
    return json_answer({"files": files})


def _batch(sent: Sent) -> Answer:
    hub, objects = sent.hub, []
    for wanted in sent.told["objects"]:
        oid, size = wanted["oid"], wanted["size"]
        entry: dict[str, Any] = {"oid": oid, "size": size}
        if oid not in hub.writes.objects:
            step = hub.writes.part_bytes
            upload: dict[str, Any] = {"href": f"{hub.cdn_url}/lfs/{oid}"}
            if step is not None and size > step:
                header = {str(n + 1): f"{hub.cdn_url}/lfs/{oid}/{n + 1}" for n in range(-(-size // step))}
                upload = {"href": f"{hub.url}/lfs/{oid}/complete", "header": {"chunk_size": str(step), **header}}
            verify = {"href": f"{hub.url}/datasets/{sent.found[1]}.git/info/lfs/objects/verify"}
            entry["actions"] = {"upload": upload, "verify": verify}
        objects.append(entry)
    return json_answer({"transfer": "basic", "objects": objects})


def _put(sent: Sent) -> Answer:
    oid, part = sent.found[1], sent.found[2]
    data = sent.body
    if sent.fault and sent.fault.kind == "damage":
        data = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    if part:
        sent.hub.writes.parts[oid, int(part)] = data
    else:
        _store(sent, oid, data)
    return text_answer("", 200, {"ETag": f'"{hashlib.md5(data).hexdigest()}"'})


def _complete(sent: Sent) -> Answer:
    oid, writes = sent.found[1], sent.hub.writes
    parts = [writes.parts.pop((oid, part["partNumber"]), b"") for part in sent.told["parts"]]
    _store(sent, oid, b"".join(parts))
    return json_answer({"success": True})


def _store(sent: Sent, oid: str, data: bytes) -> None:
    sent.hub.writes.puts[oid] += 1
    whole = hashlib.sha256(data).hexdigest() == oid
    if sent.fault and sent.fault.kind == "lose":
        sent.hub.lost.add(oid)
        sent.hub.writes.objects[oid] = b""
    elif whole or (sent.fault and sent.fault.kind == "damage"):
        sent.hub.writes.objects[oid] = data


def _verify(sent: Sent) -> Answer:
    known = sent.told["oid"] in sent.hub.writes.objects
    return json_answer({"success": known}, 200 if known else 404)


def _commit(sent: Sent) -> Answer:
    hub, dataset = sent.hub, sent.hub.datasets.get(sent.found[1])
    if dataset is None:
        return json_answer({"error": "RepoNotFound"}, 404, {"X-Error-Code": "RepoNotFound"})
    lines = [json.loads(line) for line in sent.body.splitlines()]
    parent = lines[0]["value"].get("parentCommit")
    if parent is not None and parent != dataset.commit:
        return json_answer({"error": "The repository has been updated; the parent is another commit"}, 412)
    added = [line["value"] for line in lines[1:]]
    if sent.fault and sent.fault.kind == "left_out":
        added = added[:-1]
    unknown = [one for one in added if "oid" in one and one["oid"] not in hub.writes.objects]
    if unknown:
        return json_answer({"error": "an LFS pointer points to a file that does not exist"}, 400)
    paths = {path for path in dataset.files if _LFS.search(path)} | {one["path"] for one in added if "oid" in one}
    if hub.writes.takes is not None and len(paths) > hub.writes.takes:
        return json_answer({"error": "a commit takes too long"}, 504)
    _apply(hub, dataset, added)
    if sent.fault and sent.fault.kind == "applied":
        return json_answer({"error": "Gateway Timeout"}, sent.fault.status)
    url = f"{hub.url}/datasets/{sent.found[1]}/commit/{dataset.commit}"
    return json_answer({"success": True, "commitOid": dataset.commit, "commitUrl": url})


def _apply(hub: HubServer, dataset: Dataset, added: list[dict[str, Any]]) -> None:
    for one in added:
        content = None if "oid" in one else base64.b64decode(one["content"])
        hub.keep(dataset, one["path"], content, one.get("oid"), one.get("size"))
    paths = tuple(one["path"] for one in added)
    hub.writes.committed.append(paths)
    dataset.commit = hashlib.sha1(f"{dataset.commit}{paths}".encode()).hexdigest()
    dataset.tree = []


_REPO = r"([^/]+/[^/]+)"
_ROUTES: tuple[tuple[str, re.Pattern[str], Callable[[Sent], Answer]], ...] = (
    ("GET", re.compile("/api/whoami-v2"), _whoami),
    ("POST", re.compile("/api/repos/create"), _create),
    ("POST", re.compile("/api/validate-yaml"), _validate),
    ("POST", re.compile(f"/api/datasets/{_REPO}/preupload/([^/]+)"), _preupload),
    ("POST", re.compile(rf"/datasets/{_REPO}\.git/info/lfs/objects/batch"), _batch),
    ("POST", re.compile(rf"/datasets/{_REPO}\.git/info/lfs/objects/verify"), _verify),
    ("POST", re.compile("/lfs/([0-9a-f]{64})/complete"), _complete),
    ("PUT", re.compile("/lfs/([0-9a-f]{64})(?:/([0-9]+))?"), _put),
    ("POST", re.compile(f"/api/datasets/{_REPO}/commit/([^/]+)"), _commit),
)
