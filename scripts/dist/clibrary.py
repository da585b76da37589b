"""The C library of a target: what its tarball and the Go module hold."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import archives
import crates
import tools
from compile import BUILT, ROOT, Compiled
from targets import Target

HEADER = ROOT / "include/svidex.h"
# Sources of LLVM's unwinder, and what each kind of them is compiled with.
UNWINDER = {
    "libunwind.cpp": [
        "c++",
        "-std=c++17",
        "-nostdinc++",
        "-fno-exceptions",
        "-fno-rtti",
    ],
    "UnwindLevel1.c": ["cc", "-std=c17", "-funwind-tables"],
    "UnwindLevel1-gcc-ext.c": ["cc", "-std=c17", "-funwind-tables"],
    "UnwindRegistersRestore.S": ["cc"],
    "UnwindRegistersSave.S": ["cc"],
}


@dataclass(frozen=True)
class CLibrary:
    shared: Path
    static: Path
    soname: str


def library_for(target: Target, compiled: Compiled) -> CLibrary:
    folder = BUILT / target.triple / "c"
    folder.mkdir(parents=True, exist_ok=True)
    binutils = tools.binutils_for(target)
    names = _output(binutils.nm, "-D", "--defined-only", str(compiled.shared))
    exports = folder / "exports"
    exports.write_text("".join(f"{line.split()[-1]}\n" for line in names.splitlines()))
    static = folder / "libsvidex.a"
    unwinder = _unwinder(target, folder)
    _if_older(
        static,
        [compiled.static, unwinder, ROOT / "ffi/archive.sh"],
        [
            str(ROOT / "ffi/archive.sh"),
            *(str(path) for path in (compiled.static, exports, unwinder, static)),
        ],
        {"LD": binutils.ld, "OBJCOPY": binutils.objcopy, "AR": binutils.ar},
    )
    return CLibrary(compiled.shared, static, _soname(compiled.shared))


def _unwinder(target: Target, folder: Path) -> Path:
    """LLVM's, from zig's sources. A compiler's own libgcc_eh.a asks for symbols of the
    libc that this compiler came with."""
    sources = tools.zig() / "lib/libunwind"
    archive = folder / "libunwind.a"
    if archive.exists():
        return archive
    flags = ["-target", target.for_zig_cc, "-c", "-Os", "-fPIC", "-w"]
    flags += ["-DNDEBUG", "-D_LIBUNWIND_IS_NATIVE_ONLY", "-fno-sanitize=all"]
    flags += [f"-I{sources / 'include'}"]
    objects = []
    for name, (language, *own) in UNWINDER.items():
        built = str(folder / f"{name}.o")
        command = [str(tools.zig() / "zig"), language, *flags, *own]
        subprocess.run([*command, str(sources / "src" / name), "-o", built], check=True)
        objects.append(built)
    binutils = tools.binutils_for(target)
    subprocess.run([binutils.ar, "rcsD", str(archive), *objects], check=True)
    return archive


def tarball(target: Target, library: CLibrary) -> Path:
    """svidex-c-VERSION-PLATFORM.tar.gz: usable where it is unpacked, and below any prefix."""
    version = crates.version()
    top = f"svidex-c-{version}-{target.npm}"
    full_name = f"{library.soname.partition('.so')[0]}.so.{version}"
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
        archives.Entry("lib/libsvidex.so", link_to=library.soname),
        archives.Entry("lib/pkgconfig/svidex.pc", config.encode()),
        archives.file("README.md", ROOT / "ffi/README.md"),
        *licenses(),
    ]
    entries = [
        archives.Entry(f"{top}/{e.name}", e.content, e.executable, e.link_to)
        for e in entries
    ]
    return archives.write_tar_gz(BUILT / f"{top}.tar.gz", entries)


def licenses() -> list[archives.Entry]:
    """What every artifact carries."""
    return [
        archives.file("LICENSE", ROOT / "LICENSE"),
        archives.file("THIRD-PARTY-NOTICES", crates.third_party_notices()),
    ]


def _soname(shared: Path) -> str:
    for line in _output("readelf", "-d", str(shared)).splitlines():
        if "(SONAME)" in line:
            return line.rpartition("[")[2].rstrip("]")
    raise SystemExit(f"dist: {shared} has no soname")


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _if_older(
    made: Path, sources: list[Path], command: list[str], environment: dict[str, str]
) -> None:
    newest = max(source.stat().st_mtime_ns for source in sources)
    if made.exists() and made.stat().st_mtime_ns > newest:
        return
    subprocess.run(command, env={**os.environ, **environment}, check=True)
