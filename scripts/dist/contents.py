"""What a release holds for each target, and what proves it, as a Markdown table."""

from __future__ import annotations

import re
import subprocess
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from targets import TARGETS, Target, here

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Where no interpreter can be had for a file, it is examined and not run.
EXAMINED = "test_nothing_needs"
# The tests of tests/dist that run the file: on this machine's own target, on another.
PROOFS = {
    "wheel": ("test_pip_into_a_fresh_environment", "test_the_wheel_under"),
    "free-threaded wheel": ("test_pip_without_a_gil", EXAMINED),
    "npm": ("test_npm_into_an_empty_project", "test_the_addon_under"),
    "go": ("test_go_get_and_build", "test_go_get_and_build"),
    "c": ("test_a_c_program", "test_a_c_program"),
    "command": ("test_the_command_alone", "test_the_command_alone"),
}


@dataclass(frozen=True)
class Cell:
    target: Target
    kind: str
    path: Path

    @property
    def needs(self) -> str:
        """The newest symbol version of glibc that it asks for, or which libc it is for."""
        if self.target.system == "darwin":
            return f"macOS {self.target.libc_version}"
        if self.kind == "go":
            return "that of the program's linker"
        if self.kind == "command":
            return "static"
        if self.target.is_musl:
            return f"musl {self.target.libc_version}"
        newest = max(_glibc_versions(self.path))
        return "GLIBC_" + ".".join(map(str, newest))

    @property
    def tests(self) -> list[str]:
        """Words of the names of the tests that run it here."""
        at_home, elsewhere = PROOFS[self.kind]
        test = at_home if self.target == here() else elsewhere
        # That of this machine alone goes by one name.
        alone = self.target == here() and self.kind in ("wheel", "free-threaded wheel", "npm")
        return [test] if alone else [test, self.target.npm]

    @property
    def proof(self) -> str:
        if self.target.system == "darwin" and here().system != "darwin":
            return "links; a Mac runs `make dist-test TARGETS=native`"
        return f'`pytest tests/dist -k "{" and ".join(self.tests)}"`'


def print_table(dist: Path) -> None:
    print("| target | | file | bytes | libc | proved by |")
    print("|---|---|---|--:|---|---|")
    for cell in cells(dist):
        size = f"{cell.path.stat().st_size:,}"
        fields = [
            cell.target.npm,
            cell.kind,
            cell.path.name,
            size,
            cell.needs,
            cell.proof,
        ]
        print(f"| {' | '.join(fields)} |")


def files(dist: Path, target: Target) -> dict[str, Path]:
    """Those of dist/ for a target, by kind. Without a wheel it was not built."""
    patterns = {
        "wheel": f"python/svidex-*-abi3-{target.wheel}.whl",
        "free-threaded wheel": f"python/svidex-*-cp314t-{target.wheel}.whl",
        "npm": f"npm/svidex-{target.npm}-*.tgz",
        "go": "go/**/bindings/go/@v/*.zip",
        "c": f"c/svidex-c-*-{target.npm}.tar.gz",
        "command": f"command/svidex-*-{target.npm.removesuffix('-musl')}.tar.gz",
    }
    if not target.is_stand_alone:
        del patterns["command"]
    if not any(dist.glob(patterns["wheel"])):
        return {}
    found = {}
    for kind, pattern in patterns.items():
        (found[kind],) = dist.glob(pattern)
    return found


def cells(dist: Path) -> Iterator[Cell]:
    for target in TARGETS:
        for kind, path in files(dist, target).items():
            yield Cell(target, kind, path)


def _glibc_versions(archive: Path) -> Iterator[tuple[int, ...]]:
    for content in _contents(archive):
        if not content.startswith(b"\x7fELF"):
            continue
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            said = subprocess.run(
                ["readelf", "-W", "-V", file.name],
                check=True,
                stdout=subprocess.PIPE,
                text=True,
            ).stdout
        for version in re.findall(r"GLIBC_(\d+(?:\.\d+)+)", said):
            yield tuple(map(int, version.split(".")))


def _contents(archive: Path) -> Iterator[bytes]:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as opened:
            yield from map(opened.read, opened.namelist())
        return
    with tarfile.open(archive) as packed:
        for member in packed:
            file = packed.extractfile(member) if member.isfile() else None
            if file:
                yield file.read()
