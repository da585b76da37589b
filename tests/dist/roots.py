"""Roots that hold only what an image holds: Debian's slim ones of several ages, and a
distroless one."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import debian

if TYPE_CHECKING:
    from pathlib import Path

LIBSTDCXX = ["libstdc++6", "libgcc-s1"]
PYTHON = [
    "python3.11-minimal",
    "libpython3.11-minimal",
    "libpython3.11-stdlib",
    "libexpat1",
    "zlib1g",
    "libffi8",
    "libssl3",
]


@dataclass(frozen=True)
class Image:
    name: str
    # One of Debian's suites, and of its packages what is there beside the least.
    suite: str
    packages: tuple[str, ...]
    user: str
    # "" where there is none that svidex supports.
    python: str

    @property
    def is_distroless(self) -> bool:
        return self.name == "distroless"


IMAGES = [
    Image("debian-12-slim", "bookworm", ("python3-venv",), "0:0", "python3"),
    Image("debian-13-slim", "trixie", ("python3-venv",), "0:0", "python3"),
    # The oldest glibc that there still are packages of: 2.31. Its Python is 3.9.
    Image("debian-11-slim", "bullseye", (), "0:0", ""),
    Image(
        "distroless", "bookworm", ("libc6", *LIBSTDCXX, *PYTHON), "65532:65532", "python3.11"
    ),
]


def root_of(image: Image) -> Path:
    """In the cache: to be copied before anything is put into it."""
    if image.is_distroless:
        return debian.unpack(image.name, list(image.packages), image.suite)
    return bootstrapped(image.suite, image.packages)


def bootstrapped(suite: str, packages: tuple[str, ...]) -> Path:
    def fill(into: Path) -> None:
        tool = debian.unpack("debootstrap", ["debootstrap"])
        command = [str(tool / "usr/sbin/debootstrap"), "--variant=minbase"]
        if packages:
            command += [f"--include={','.join(packages)}"]
        with tempfile.NamedTemporaryFile("w+") as log:
            made = subprocess.run(
                [*command, suite, into, debian.mirror()],
                env={**os.environ, "DEBOOTSTRAP_DIR": str(tool / "usr/share/debootstrap")},
                stdout=log,
                stderr=log,
                check=False,
            )
            log.seek(0)
            assert made.returncode == 0, log.read()[-2000:]

    return debian.cached("root", [suite, *packages], fill)
