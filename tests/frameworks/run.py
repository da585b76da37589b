#!/usr/bin/env python3
"""Runs every framework against the emulator, with the packages from their registry.

usage: tests/frameworks/run.py [ROW ...]

Each environment is a venv under target/frameworks, made when it is first needed. The
wheel is the one that `make python` built. Prints a table; status 1 if a row fails.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "bindings/python/tests"))

from emulator import OwnEmulator  # noqa: E402

# Row, environment, the package that it is about.
ROWS = [
    ("openai", "requirements.txt", "openai"),
    ("openai_chat", "requirements.txt", "openai"),
    ("openai_async", "requirements.txt", "openai"),
    ("openai", "requirements-openai2.txt", "openai"),
    ("openai_async", "requirements-openai2.txt", "openai"),
    ("langchain", "requirements.txt", "langchain-openai"),
    ("instructor", "requirements.txt", "instructor"),
    ("openai_agents", "requirements.txt", "openai-agents"),
]
WANTED = {"call": True, "failed after a revocation": 0, "outage with a token": True}


def python_of(requirements: str) -> Path:
    wheel = next((ROOT / "target/wheels").glob("svidex-*.whl"))
    text = (HERE / requirements).read_bytes() + wheel.read_bytes()
    name = f"{Path(requirements).stem}-{hashlib.sha256(text).hexdigest()[:12]}"
    venv = ROOT / "target/frameworks" / name
    python = venv / "bin/python"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, "-r", HERE / requirements, wheel], check=True)
        (venv / "ready").touch()
    return python


def run(row: str, requirements: str) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as directory, OwnEmulator(Path(directory)) as world:
        environment = {
            **world.environment,
            "SVIDEX_SPIFFE_ID": world.info["spiffe_ids"][0],
            "HTTPS_PROXY": world.info["https_proxy"],
        }
        ran = subprocess.run(
            [python_of(requirements), HERE / "python/row.py", row],
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
    if ran.returncode != 0:
        return {"error": (ran.stderr.strip().splitlines() or ["nothing said"])[-1]}
    seen: dict[str, object] = json.loads(ran.stdout.splitlines()[-1])
    return seen


def version(requirements: str, package: str) -> str:
    lines = (HERE / requirements).read_text().splitlines()
    return next(line for line in lines if line.startswith(f"{package}=="))


def main() -> int:
    wanted, passed, failed = set(sys.argv[1:]), 0, 0
    os.environ.pop("OPENAI_API_KEY", None)
    for row, requirements, package in ROWS:
        if wanted and row not in wanted:
            continue
        seen = run(row, requirements)
        good = all(seen.get(name) == value for name, value in WANTED.items())
        passed, failed = passed + good, failed + (not good)
        said = ", ".join(f"{name}: {value}" for name, value in seen.items())
        what = f"{row} ({version(requirements, package)})"
        print(f"{'ok    ' if good else 'FAILED'} {what:44} {said}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
