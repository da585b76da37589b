"""Builds the package from source: by maturin, once it is plain that it can be.

Whoever gets here has asked for the source, or has a machine that no wheel is for.
"""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
import sys
import sysconfig
from typing import Any

OLDEST_RUST = (1, 88)
OLDEST_FREE_THREADED = (3, 14)
_WHEELS = (
    "There are wheels for CPython 3.10 and later, and for free-threaded CPython 3.14, on "
    "Linux (glibc 2.17 or musl 1.2, and later) and macOS, each on x86-64 and arm64: `pip "
    "install --upgrade pip` finds them if an old pip did not."
)


def _problem() -> str | None:
    if sys.platform == "win32":
        return "svidex does not run on Windows; it does in WSL and in containers."
    without_gil = sysconfig.get_config_var("Py_GIL_DISABLED")
    if without_gil and sys.version_info < OLDEST_FREE_THREADED:
        return (
            "svidex runs on free-threaded builds of CPython 3.14 and later, and this one is "
            "older: use that, or the build with the GIL."
        )
    cargo, rustc = shutil.which("cargo"), shutil.which("rustc")
    wanted = ".".join(map(str, OLDEST_RUST))
    if cargo is None or rustc is None:
        return (
            f"To build svidex from source takes Rust {wanted} or later, and there is no "
            "`cargo` in PATH: https://rustup.rs"
        )
    said = subprocess.run([rustc, "--version"], capture_output=True, text=True, check=False)
    found = re.match(r"rustc (\d+)\.(\d+)", said.stdout)
    if found and tuple(map(int, found.groups())) < OLDEST_RUST:
        return (
            f"To build svidex from source takes Rust {wanted} or later: {said.stdout.strip()}"
        )
    return None


def _refuse_in_words() -> None:
    problem = _problem()
    if problem is not None:
        raise SystemExit(f"\nsvidex: {problem}\n{_WHEELS}\n")


# What pip and others call (PEP 517, PEP 660). Asked what it needs before anything gets
# installed, maturin is here only afterwards.


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    _refuse_in_words()
    return _MATURIN


def get_requires_for_build_sdist(config_settings: Any = None) -> list[str]:
    return _MATURIN


get_requires_for_build_editable = get_requires_for_build_wheel
_MATURIN = ["maturin>=1.16,<2"]


def __getattr__(name: str) -> Any:
    return getattr(importlib.import_module("maturin"), name)
