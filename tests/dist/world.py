"""What the tests of the artifacts share: the files, a machine without Rust, and the other
machines that this one can play."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import debian
import tools
from compile import DIST as DIST
from compile import ROOT as ROOT
from targets import TARGETS, Target, here, named

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
EMULATOR = Path(os.environ.get("SVIDEX_EMULATOR_BIN") or ROOT / "target/debug/svidex-emulator")
# Those that are to be in dist/: a list of names, by default all.
CHOSEN = named(os.environ.get("SVIDEX_DIST_TARGETS", "").split()) or TARGETS
LINUX = [target for target in CHOSEN if target.system == "linux"]
NATIVE = here()
VERSION = json.loads((ROOT / "bindings/node/package.json").read_text())["version"]

QEMU = ["qemu-user-static"]
ARM64_LIBC = ["libc6:arm64"]
ARM64_PYTHON = [
    *ARM64_LIBC,
    "python3.11-minimal:arm64",
    "libpython3.11-minimal:arm64",
    "libpython3.11-stdlib:arm64",
    "libexpat1:arm64",
    "zlib1g:arm64",
    "libffi8:arm64",
    "libssl3:arm64",
]
ARM64_CXX = [*ARM64_LIBC, "libstdc++6:arm64", "libgcc-s1:arm64"]


def artifact(pattern: str) -> Path:
    """The one file of dist/ that matches."""
    found = list(DIST.glob(pattern))
    assert len(found) == 1, f"dist/{pattern}: {found or 'nothing'}; `make dist` makes it"
    return found[0]


def wheel(target: Target) -> Path:
    return artifact(f"python/svidex-*-abi3-{target.wheel}.whl")


def free_threaded_wheel(target: Target) -> Path:
    return artifact(f"python/svidex-*-cp314t-{target.wheel}.whl")


def platform_package(target: Target) -> Path:
    return artifact(f"npm/svidex-{target.npm}-{VERSION}.tgz")


def c_tarball(target: Target) -> Path:
    return artifact(f"c/svidex-c-*-{target.npm}.tar.gz")


class Run(NamedTuple):
    """Runs commands on a machine that has no Rust, in a folder."""

    folder: Path
    environment: dict[str, str]

    def __call__(self, *command: str | Path, **variables: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=1200,
        )
        assert done.returncode == 0, f"{command}:\n{done.stdout[-4000:]}"
        return done.stdout

    def job(self, *command: str | Path, **variables: str) -> None:
        """The main job, against an emulator of its own. The variables are the program's."""
        own = [f"{name}={value}" for name, value in variables.items()]
        job = [str(EMULATOR), "run", "--", sys.executable, str(HERE / "job.py")]
        said = self(*job, "env", *own, *command)
        assert ": answered" in said


def emulate(target: Target, packages: list[str] | None = None) -> list[str]:
    """What stands before a program of that target, for this machine to run it. PACKAGES are
    what the other machine has installed."""
    command = []
    if target.cpu != NATIVE.cpu:
        qemu = debian.unpack("qemu", QEMU) / f"usr/bin/qemu-{target.cpu}-static"
        command += [str(qemu)]
        if packages:
            command += ["-L", str(root(target, packages))]
    return command


@functools.cache
def _root(packages: tuple[str, ...]) -> Path:
    return debian.unpack("machine", list(packages))


def root(target: Target, packages: list[str]) -> Path:
    """A folder with what Debian's packages hold."""
    return _root(tuple(packages))


def npm_project(run: Run, *archives: Path) -> None:
    """An empty npm project with the packages, without the registry. Until they are in one,
    npm finds the platform's package nowhere: it is named beside the other."""
    (run.folder / "package.json").write_text('{ "name": "consumer", "private": true }')
    install = ["npm", "install", "--offline", "--omit=optional", "--force"]
    quiet = ["--no-audit", "--no-fund"]
    run(*install, *quiet, artifact(f"npm/svidex-{VERSION}.tgz"), *archives)
    shutil.copy(PROGRAMS / "main.mjs", run.folder)


def compiler(target: Target) -> str:
    """A C compiler of that target: this machine's own, or zig as that of another."""
    return "cc" if target == NATIVE else cross_compiler(target)


def cross_compiler(target: Target) -> str:
    """... for the oldest libc of it."""
    return f"{tools.zig() / 'zig'} cc -target {target.for_zig_cc}"
