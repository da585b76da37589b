"""What panics unwind by, as part of what is published: LLVM's unwinder, from zig's sources.
A compiler's own libgcc_eh.a asks for symbols of the libc that this compiler came with."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import tools

if TYPE_CHECKING:
    from targets import Target

HERE = Path(__file__).resolve().parent
# Its sources, and what each kind of them is compiled with.
SOURCES = {
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
CHOICE = HERE / "unwinder.c"


def for_archives(target: Target, folder: Path) -> Path:
    """An archive, for static libraries: whoever links them statically has no other."""
    return _archive(target, folder / "libunwind.a", [])


def for_shared_libraries(target: Target, folder: Path) -> Path:
    """An archive that gives way to libgcc_s.so.1 where there is one (unwinder.c)."""
    # The list that it has of them.
    names = re.findall(r"\bDO\((\w+), ", CHOICE.read_text())
    renamed = [f"-D_Unwind_{name}=llvm_Unwind_{name}" for name in names]
    return _archive(target, folder / "libunwind-shared.a", renamed, CHOICE)


def _archive(target: Target, archive: Path, defines: list[str], *more: Path) -> Path:
    newest = max((path.stat().st_mtime_ns for path in more), default=0)
    if archive.exists() and archive.stat().st_mtime_ns > newest:
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    sources = tools.zig() / "lib/libunwind"
    zig = str(tools.zig() / "zig")
    flags = ["-target", target.for_zig_cc, "-c", "-Os", "-fPIC", "-fno-sanitize=all"]
    own = ["-w", "-DNDEBUG", "-D_LIBUNWIND_IS_NATIVE_ONLY", f"-I{sources / 'include'}"]
    objects = []
    for name, (language, *options) in SOURCES.items():
        built = str(archive.with_suffix(f".{name}.o"))
        command = [zig, language, *flags, *own, *options, *defines]
        subprocess.run([*command, str(sources / "src" / name), "-o", built], check=True)
        objects.append(built)
    for path in more:
        built = str(archive.with_suffix(f".{path.name}.o"))
        # A tail call is one with optimization alone.
        command = [zig, "cc", *flags, "-O2", "-std=c11", "-Wall", "-Wextra", "-funwind-tables"]
        subprocess.run([*command, str(path), "-o", built], check=True)
        objects.append(built)
    archive.unlink(missing_ok=True)
    binutils = tools.binutils_for(target)
    subprocess.run([binutils.ar, "rcsD", str(archive), *objects], check=True)
    return archive
