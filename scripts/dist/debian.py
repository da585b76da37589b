"""Debian packages, of any architecture, unpacked into a folder: nothing gets installed."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "svidex"
STATE = CACHE / "apt"
A_DAY_SECONDS = 86_400


def unpack(name: str, packages: list[str]) -> Path:
    """The folder NAME of the cache with these packages (`qemu-user-static`, `libc6:arm64`)
    in it, through the system's own apt sources and a package state of our own."""
    key = hashlib.sha256(" ".join(packages).encode()).hexdigest()[:12]
    root = CACHE / f"{name}-{key}"
    if root.is_dir():
        return root
    for tool in ("apt-get", "dpkg"):
        if not shutil.which(tool):
            raise SystemExit(
                f"dist: {name} comes from Debian's packages here, and there is no {tool}"
            )
    print(f"  unpacking {name} …", flush=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        archives = Path(work, "debs")
        archives.mkdir()
        _apt("download", *packages, directory=archives)
        into = Path(work, "root")
        for archive in sorted(archives.glob("*.deb")):
            subprocess.run(["dpkg", "-x", archive, into], check=True)
        into.rename(root)
    return root


def _apt(*arguments: str, directory: Path) -> None:
    lists = STATE / "lists"
    (lists / "partial").mkdir(parents=True, exist_ok=True)
    own = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    options = [f"Dir::State::Lists={lists}", f"Dir::Cache={STATE}"]
    # Its warning that it cannot change to another user would be all it has to say.
    options += ["APT::Sandbox::User=root", f"APT::Architecture={own}"]
    options += [f"APT::Architectures::={cpu}" for cpu in ("amd64", "arm64")]
    command = ["apt-get", "-qq"] + [part for option in options for part in ("-o", option)]
    fresh = lists / "updated"
    if not fresh.exists() or time.time() - fresh.stat().st_mtime > A_DAY_SECONDS:
        subprocess.run([*command, "update"], check=True)
        fresh.touch()
    subprocess.run([*command, *arguments], cwd=directory, check=True)
