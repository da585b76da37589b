from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts/dist"))

from world import Run

# Of the environment of whoever runs the tests, nothing of this may get in.
OWN = (
    "OPENAI_",
    "SPIFFE_",
    "SVIDEX_",
    "PYTHON",
    "NODE_OPTIONS",
    "NODE_PATH",
    "GOFLAGS",
    "HTTPS_PROXY",
    "NO_PROXY",
)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Commands that run in an empty folder, where nothing can compile Rust."""
    absent = tmp_path / "absent"
    absent.mkdir()
    for tool in ("cargo", "rustc"):
        (absent / tool).write_text(f"#!/bin/sh\necho '{tool} was called' >&2\nexit 99\n")
        (absent / tool).chmod(0o755)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(OWN)
    }
    environment["PATH"] = f"{absent}{os.pathsep}{environment['PATH']}"
    folder = tmp_path / "machine"
    folder.mkdir()
    return Run(folder, environment)
