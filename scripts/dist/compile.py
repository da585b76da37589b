"""Everything that is compiled for a target: the libraries of all bindings and the command."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import tools
import unwinder
from targets import Target, here

ROOT = Path(__file__).resolve().parent.parent.parent
# To try installs by: not optimized, and not what would be published.
QUICK = bool(os.environ.get("SVIDEX_DIST_QUICK"))
# Apart from what `cargo build` makes: neither waits for the other or undoes its work.
BUILT = ROOT / "target" / ("dist-quick" if QUICK else "dist")
DIST = BUILT / "dist" if QUICK else ROOT / "dist"
PACKAGES = ["svidex-ffi", "svidex-python", "svidex-node", "svidex-cli"]
# The same with Python's other module: along with the others, for by itself it would want
# other features of the crates that it shares with them, and all would be compiled twice.
FREE_THREADED = [{"svidex-python": "svidex-python-free-threaded"}.get(p, p) for p in PACKAGES]
# What PyO3 asks an interpreter else, of the oldest without a GIL that it knows.
FREE_THREADED_PYTHON = ROOT / "bindings/python/free-threaded/interpreter"


@dataclass(frozen=True)
class Compiled:
    shared: Path  # the C library
    static: Path  # ... as rustc makes it, before ffi/archive.sh
    python: Path
    free_threaded_python: Path | None  # not of a QUICK build
    node: Path
    command: Path  # of a target whose command stands alone


def together(targets: list[Target]) -> list[list[Target]]:
    """The same targets, in groups that cargo builds at once: what is linked last keeps one
    core busy, and what the next one needs the others meanwhile."""
    groups: dict[tuple[str, str], list[Target]] = {}
    for target in targets:
        groups.setdefault((target.libc, target.libc_version), []).append(target)
    return list(groups.values())


def compile_for(group: list[Target]) -> dict[Target, Compiled]:
    """All that is compiled for each of a group of `together`."""
    _cargo(group, "build")
    if not QUICK:
        _cargo(group, "build", free_threaded=True)
    return {target: _compiled(target) for target in group}


def _compiled(target: Target) -> Compiled:
    made = BUILT / target.triple / ("debug" if QUICK else "release")
    suffix = target.shared_suffix
    if target.system == "darwin" and not _is_at_home(target):
        _strip(made, suffix)
    return Compiled(
        shared=made / f"libsvidex_ffi{suffix}",
        static=made / "libsvidex_ffi.a",
        python=made / f"lib_svidex{suffix}",
        free_threaded_python=(None if QUICK else made / f"lib_svidex_free_threaded{suffix}"),
        node=made / f"libsvidex_node{suffix}",
        command=made / "svidex",
    )


def check_for(group: list[Target]) -> None:
    """Whether all of it would compile."""
    _cargo(group, "check")


def _is_at_home(target: Target) -> bool:
    """A Mac has what building for Macs takes."""
    return here().system == target.system == "darwin"


def _cargo(group: list[Target], what: str, *, free_threaded: bool = False) -> None:
    first = group[0]
    rust = tools.rust_for(tuple(group))
    at_home = _is_at_home(first)
    # What is only checked needs no optimized standard library.
    profile = "dev" if QUICK or what == "check" else "release"
    # Elsewhere rustc asks for a tool that only rustup has.
    strip = "symbols" if at_home or first.system == "linux" else "none"
    environment = {
        **os.environ,
        **rust.environment,
        "CARGO_TARGET_DIR": str(BUILT),
        f"CARGO_PROFILE_{profile.upper()}_STRIP": strip,
        "CARGO_PROFILE_DEV_DEBUG": "false",
        "CARGO_PROFILE_DEV_BUILD_OVERRIDE_DEBUG": "false",
        # Takes twice as long, and what a user downloads is a tenth smaller.
        "CARGO_PROFILE_RELEASE_LTO": "fat",
        "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "1",
        # For the stable ABI PyO3 has to ask no interpreter, and would find the wrong one.
        "PYO3_NO_PYTHON": "1",
        "PYO3_BUILD_EXTENSION_MODULE": "1",
        "MACOSX_DEPLOYMENT_TARGET": first.libc_version,
    }
    # In their place cargo takes what the targets are given below.
    for name in ("RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"):
        environment.pop(name, None)
    if free_threaded:
        environment["PYO3_CONFIG_FILE"] = str(FREE_THREADED_PYTHON)
    if at_home:
        command = ["cargo", what]
    else:
        folder = tools.python_tools()
        environment["PATH"] = f"{folder}{os.pathsep}{environment['PATH']}"
        command = ["cargo-zigbuild", "zigbuild" if what == "build" else what]
    for target in group:
        flags = json.dumps(_flags(target, rust))
        command += ["--target", target.triple if at_home else target.for_zig]
        command += ["--config", f"target.{target.triple}.rustflags={flags}"]
    command += ["--locked"] if profile == "dev" else ["--locked", "--release"]
    if rust.builds_std:
        command += ["-Zbuild-std=std,panic_unwind"]
    packages = list(FREE_THREADED if free_threaded else PACKAGES)
    if first.is_stand_alone:
        # Its package has a profile of its own, which forgets what was said of all.
        command += ["--config", f'profile.{profile}.package.svidex-cli.strip="{strip}"']
    else:
        # The command is in the wheel and in the npm package only.
        packages.remove("svidex-cli")
    command += [part for package in packages for part in ("-p", package)]
    # Such as -j2 and --quiet, where others work on the same machine.
    command += os.environ.get("SVIDEX_CARGO_FLAGS", "").split()
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def _flags(target: Target, rust: tools.Rust) -> list[str]:
    flags = [f"--remap-path-prefix={path}={name}" for path, name in _paths(rust)]
    if target.is_musl:
        # zig has the C runtime's objects; Rust's own come with its standard library only.
        flags += ["-Clink-self-contained=no"]
        # A library is loaded by a program that has its libc already. (The command is
        # static all the same: that is how zig links for musl.)
        flags += ["-Ctarget-feature=-crt-static"]
    if target.libc == "glibc":
        unwind = unwinder.for_shared_libraries(target, BUILT / target.triple / "unwind")
        flags += [f"-Clink-arg={unwind}"]
    return flags


def _strip(made: Path, suffix: str) -> None:
    strip, _ = tools.macos_tools()
    names = ["libsvidex_ffi", "lib_svidex", "lib_svidex_free_threaded", "libsvidex_node"]
    for library in (made / f"{name}{suffix}" for name in names):
        subprocess.run([strip, "-x", str(library)], check=True)
    subprocess.run([strip, str(made / "svidex")], check=True)


def _paths(rust: tools.Rust) -> list[tuple[str, str]]:
    """Folders of the machine that builds, and what panics call them instead."""
    cargo = os.environ.get("CARGO_HOME") or str(Path.home() / ".cargo")
    return [
        (f"{cargo}/registry/src", "crates"),
        (rust.output("--print", "sysroot").strip(), "rust"),
        (str(ROOT), "svidex"),
    ]
