"""The C library of a target: what its tarball and the Go module hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import archives
import crates
import tools
import unwinder
from compile import BUILT, ROOT, Compiled

if TYPE_CHECKING:
    from pathlib import Path

    from targets import Target

HEADER = ROOT / "include/svidex.h"


@dataclass(frozen=True)
class CLibrary:
    shared: Path
    static: Path
    soname: str


def library_for(target: Target, compiled: Compiled) -> CLibrary:
    folder = BUILT / target.triple / "c"
    folder.mkdir(parents=True, exist_ok=True)
    make = _on_macos if target.system == "darwin" else _on_linux
    return make(target, compiled, folder)


def _on_linux(target: Target, compiled: Compiled, folder: Path) -> CLibrary:
    binutils = tools.binutils_for(target)
    names = _output(binutils.nm, "-D", "--defined-only", str(compiled.shared))
    exports = folder / "exports"
    exports.write_text("".join(f"{line.split()[-1]}\n" for line in names.splitlines()))
    static = folder / "libsvidex.a"
    unwind = unwinder.for_archives(target, folder)
    script = ROOT / "ffi/archive.sh"
    newest = max(path.stat().st_mtime_ns for path in (compiled.static, unwind, script))
    if not static.exists() or static.stat().st_mtime_ns <= newest:
        own = {"LD": binutils.ld, "OBJCOPY": binutils.objcopy, "AR": binutils.ar}
        command = [script, compiled.static, exports, unwind, static]
        subprocess.run(list(map(str, command)), env={**os.environ, **own}, check=True)
    dynamic = _output("readelf", "-d", str(compiled.shared))
    (soname,) = re.findall(r"\(SONAME\).*\[(.*)\]", dynamic)
    return CLibrary(compiled.shared, static, soname)


def _on_macos(target: Target, compiled: Compiled, folder: Path) -> CLibrary:
    """Its unwinder is the system's, and its archives cannot be made one object of with
    tools that other systems have: this one is rustc's, without what a debugger reads."""
    strip, otool = tools.macos_tools()
    static = folder / "libsvidex.a"
    shutil.copy(compiled.static, static)
    subprocess.run([strip, "-S", str(static)], check=True, stderr=subprocess.DEVNULL)
    name = _output(otool, "-D", str(compiled.shared)).split()[-1]
    return CLibrary(compiled.shared, static, name.removeprefix("@rpath/"))


def tarball(target: Target, library: CLibrary) -> Path:
    """svidex-c-VERSION-PLATFORM.tar.gz: usable where it is unpacked, and below any prefix."""
    version = crates.version()
    top = f"svidex-c-{version}-{target.npm}"
    suffix = target.shared_suffix
    full_name = (
        f"libsvidex.{version}.dylib" if target.system == "darwin" else f"libsvidex.so.{version}"
    )
    config = (ROOT / "ffi/svidex.pc.in").read_text()
    for field, value in {
        "PREFIX": "${pcfiledir}/../..",
        "VERSION": version,
        "LIBS_PRIVATE": target.system_libraries,
    }.items():
        config = config.replace(f"@{field}@", value)
    entries = [
        archives.file("include/svidex.h", HEADER),
        archives.file("lib/libsvidex.a", library.static),
        archives.Entry(f"lib/{full_name}", library.shared.read_bytes(), True),
        archives.Entry(f"lib/{library.soname}", link_to=full_name),
        archives.Entry(f"lib/libsvidex{suffix}", link_to=library.soname),
        archives.Entry("lib/pkgconfig/svidex.pc", config.encode()),
        archives.file("README.md", ROOT / "ffi/README.md"),
        *licenses(),
    ]
    entries = [
        archives.Entry(f"{top}/{e.name}", e.content, e.executable, e.link_to) for e in entries
    ]
    return archives.write_tar_gz(BUILT / f"{top}.tar.gz", entries)


def licenses() -> list[archives.Entry]:
    """What every artifact carries."""
    return [
        archives.file("LICENSE", ROOT / "LICENSE"),
        archives.file("THIRD-PARTY-NOTICES", crates.third_party_notices()),
    ]


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
