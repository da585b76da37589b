"""Debian packages, of any architecture, unpacked into a folder: nothing gets installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "svidex"
A_DAY_SECONDS = 86_400


def unpack(name: str, packages: list[str], suite: str = "") -> Path:
    """The folder NAME of the cache with these packages (`qemu-user-static`, `libc6:arm64`)
    in it, of the system's own suite or another one of Debian's."""

    def fill(into: Path) -> None:
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            _apt("download", *packages, directory=Path(work), suite=suite)
            for archive in sorted(Path(work).glob("*.deb")):
                subprocess.run(["dpkg", "-x", archive, into], check=True)

    return cached(name, [suite, *packages] if suite else packages, fill)


def source(package: str, suite: str) -> Path:
    """A folder with what a package is built from, as its authors publish it."""

    def fill(into: Path) -> None:
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            _apt("source", "--download-only", package, directory=Path(work), suite=suite)
            (archive,) = Path(work).glob("*.orig.tar.?z")
            unpack = ["tar", "--extract", "--strip-components=1", "--file", str(archive)]
            subprocess.run([*unpack, "--directory", str(into)], check=True)

    return cached("source", [suite, package], fill)


def mirror() -> str:
    """Where this system has its packages from."""
    fields = "$(CREATED_BY) $(LABEL) $(REPO_URI)"
    said = subprocess.run(
        ["apt-get", "indextargets", "--format", fields],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for line in said.splitlines():
        if line.startswith("Packages Debian "):
            return line.split()[2]
    raise SystemExit("dist: apt-get knows no mirror of Debian")


def cached(name: str, parts: list[str], fill: Callable[[Path], None]) -> Path:
    """A folder of the user's cache, filled once for these parts."""
    key = hashlib.sha256(" ".join(parts).encode()).hexdigest()[:12]
    folder = CACHE / f"{name}-{key}"
    if not folder.is_dir():
        print(f"  making {folder.name}: {' '.join(parts)} …", flush=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            into = Path(work, "folder")
            into.mkdir()
            fill(into)
            into.rename(folder)
    return folder


def _apt(*arguments: str, directory: Path, suite: str) -> None:
    """With a package state of our own: nothing of the system's is touched."""
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise SystemExit(f"dist: Debian's packages are needed here, and there is no {tool}")
    state = CACHE / "apt" / (suite or "own")
    (state / "lists/partial").mkdir(parents=True, exist_ok=True)
    own = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    options = [f"Dir::State::Lists={state / 'lists'}", f"Dir::Cache={state}"]
    # Its warning that it cannot change to another user would be all it has to say.
    options += ["APT::Sandbox::User=root", f"APT::Architecture={own}"]
    options += [f"APT::Architectures::={cpu}" for cpu in ("amd64", "arm64")]
    if suite:
        signed = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
        (state / "sources.list").write_text(
            "".join(f"{kind} {signed} {mirror()} {suite} main\n" for kind in ("deb", "deb-src"))
        )
        options += [f"Dir::Etc::SourceList={state / 'sources.list'}"]
        options += ["Dir::Etc::SourceParts=/dev/null", "Dir::State::status=/dev/null"]
    command = ["apt-get", "-qq"] + [part for option in options for part in ("-o", option)]
    fresh = state / "updated"
    if not fresh.exists() or time.time() - fresh.stat().st_mtime > A_DAY_SECONDS:
        subprocess.run([*command, "update"], check=True)
        fresh.touch()
    subprocess.run([*command, *arguments], cwd=directory, check=True)
