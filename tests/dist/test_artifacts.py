"""What each file of dist/ claims, and what it asks of a machine."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tools
from contents import cells
from world import (
    CHOSEN,
    DIST,
    HERE,
    LINUX,
    ROOT,
    VERSION,
    artifact,
    c_tarball,
    free_threaded_wheel,
    platform_package,
    wheel,
)

if TYPE_CHECKING:
    from targets import Target

# Parts of glibc that were files of their own before 2.34, and its loader. musl is one.
GLIBC = re.compile(r"lib(c|m|pthread|dl|rt|util)\.so\.\d|ld-linux-[\w-]+\.so\.\d")
MUSL = re.compile(r"libc\.so|libc\.musl-\w+\.so\.1")
WHEEL_BYTES = 3_000_000
NPM_BYTES = 2_500_000

each_target = pytest.mark.parametrize("target", CHOSEN, ids=lambda target: target.npm)
each_linux = pytest.mark.parametrize("target", LINUX, ids=lambda target: target.npm)


def contents(archive: Path) -> dict[str, bytes]:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as opened:
            return {name: opened.read(name) for name in opened.namelist()}
    with tarfile.open(archive) as opened:
        return {
            member.name: file.read()
            for member in opened.getmembers()
            if member.isfile() and (file := opened.extractfile(member))
        }


def wheels(target: Target) -> list[Path]:
    return [wheel(target), free_threaded_wheel(target)]


def native_files(target: Target) -> dict[str, bytes]:
    """Every library and program for a target, by the artifact that it is in."""
    found = {}
    archives = [*wheels(target), platform_package(target), c_tarball(target)]
    if target.is_stand_alone:
        archives.append(artifact(f"command/svidex-*-{target.npm.removesuffix('-musl')}.tar.gz"))
    for archive in archives:
        for name, content in contents(archive).items():
            if content.startswith((b"\x7fELF", b"\xcf\xfa\xed\xfe")):
                found[f"{archive.name}: {name}"] = content
    assert len(found) == len(archives), sorted(found)
    return found


def readelf(content: bytes, folder: Path, *options: str) -> str:
    (folder / "file").write_bytes(content)
    command = ["readelf", "-W", *options, str(folder / "file")]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


@each_linux
def test_nothing_needs_a_library_but_libc(target: Target, tmp_path: Path) -> None:
    allowed = MUSL if target.is_musl else GLIBC
    for name, content in native_files(target).items():
        needed = re.findall(r"\(NEEDED\).*\[(.*)\]", readelf(content, tmp_path, "-d"))
        assert [library for library in needed if not allowed.fullmatch(library)] == [], name
        if "command" in name or name.startswith(f"svidex-{VERSION}-linux"):
            assert needed == [], f"{name} is not static"


@each_linux
def test_no_symbol_is_newer_than_the_oldest_libc(target: Target, tmp_path: Path) -> None:
    for name, content in native_files(target).items():
        versions = set(re.findall(r"GLIBC_(\d+(?:\.\d+)+)", readelf(content, tmp_path, "-V")))
        if target.is_musl:
            assert versions == set(), name
            continue
        assert versions, name
        newest = max(tuple(map(int, version.split("."))) for version in versions)
        oldest = tuple(map(int, target.libc_version.split(".")))
        assert newest <= oldest, f"{name} asks for glibc {newest}"


@each_linux
def test_libraries_are_stripped(target: Target, tmp_path: Path) -> None:
    for name, content in native_files(target).items():
        sections = readelf(content, tmp_path, "-S")
        assert ".symtab" not in sections, name
        assert ".debug_info" not in sections, name


@each_linux
def test_auditwheel_agrees_with_the_tag(target: Target) -> None:
    tag = target.wheel.split(".")[0]
    for path in wheels(target):
        command = [str(tools.python_tools() / "auditwheel"), "show", str(path)]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        assert f'"{tag}"' in said.replace("\n", " "), said


@each_target
def test_the_wheel_keeps_to_the_stable_interface(target: Target) -> None:
    command = [str(tools.python_tools() / "abi3audit"), "--strict", str(wheel(target))]
    subprocess.run(command, check=True)


@each_target
def test_the_free_threaded_wheel_is_for_that_interpreter_alone(target: Target) -> None:
    (module,) = (name for name in contents(free_threaded_wheel(target)) if ".so" in name)
    # By this name the build with a GIL passes it over, should both be in one folder.
    assert module.startswith("svidex/_svidex.cpython-314t-")
    # Only where there is no GIL is anything to be had for it, and only since 3.13.
    symbol = b"PyCriticalSection_Begin"
    assert symbol in contents(free_threaded_wheel(target))[module]
    assert symbol not in contents(wheel(target))["svidex/_svidex.abi3.so"]


@each_target
def test_sizes(target: Target) -> None:
    for path in wheels(target):
        assert path.stat().st_size <= WHEEL_BYTES
    assert platform_package(target).stat().st_size <= NPM_BYTES


@each_target
def test_a_platform_package_says_where_it_belongs(target: Target) -> None:
    package = json.loads(contents(platform_package(target))["package/package.json"])
    assert package["os"] == [target.system]
    assert package["cpu"] == [target.node_cpu]
    assert package.get("libc") == ([target.libc] if target.libc else None)


def every_archive() -> list[Path]:
    suffixes = (".whl", ".gz", ".tgz", ".zip", ".crate")
    return sorted(path for path in DIST.rglob("*") if path.suffix in suffixes)


def test_every_artifact_has_its_licence_version_and_address() -> None:
    assert every_archive()
    for archive in every_archive():
        found = contents(archive)
        names = {Path(name).name for name in found}
        assert "LICENSE" in names, archive
        is_source = archive.suffix == ".crate" or archive.name == f"svidex-{VERSION}.tar.gz"
        is_binary = any(
            content.startswith((b"\x7fELF", b"\xcf\xfa\xed\xfe", b"!<arch>"))
            for content in found.values()
        )
        assert is_source or not is_binary or "THIRD-PARTY-NOTICES" in names, archive
        assert VERSION in str(archive), archive
        text = b"".join(content for name, content in found.items() if not name.endswith(".a"))
        assert b"github.com/svidex/svidex" in text, archive


def test_no_file_names_a_folder_of_the_machine_that_built_it() -> None:
    home = str(Path.home()).encode()
    for archive in every_archive():
        for name, content in contents(archive).items():
            assert home + b"/." not in content, f"{archive}: {name}"


def test_the_sums_are_those_of_all_files() -> None:
    lines = (DIST / "SHA256SUMS").read_text().splitlines()
    said = {}
    for line in lines:
        digest, name = line.split("  ", 1)
        said[name] = digest
    files = [path for path in DIST.rglob("*") if path.is_file() and path.name != "SHA256SUMS"]
    assert said == {
        str(path.relative_to(DIST)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


def test_what_the_table_calls_a_proof_is_a_test() -> None:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", str(HERE)]
    listed = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    names = listed.stdout.splitlines()
    for cell in cells(DIST):
        if cell.target in LINUX:
            found = [name for name in names if all(word in name for word in cell.tests)]
            assert found, cell.proof


def test_the_bill_of_materials_names_what_is_linked() -> None:
    document = json.loads(artifact("svidex-*.cdx.json").read_text())
    names = {component["name"] for component in document["components"]}
    assert {"svidex", "rustls", "ring", "tokio", "pyo3", "napi", "clap"} <= names
    assert "svidex-emulator" not in names
    notices = artifact("THIRD-PARTY-NOTICES").read_text()
    for component in document["components"]:
        if not component["name"].startswith("svidex"):
            assert f"{component['name']} {component['version']} (" in notices
