"""How large the files of a release are, for each target that dist/ has.

Run from the repository's root with scripts/dist in PYTHONPATH; builds this machine's
own target where that is missing, and prints one JSON line for each file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from targets import TARGETS, Target, here

DIST = Path("dist")


def files(target: Target) -> dict[str, Path]:
    """Those of dist/ for a target. Without a wheel it was not built."""
    patterns = {
        "wheel": f"python/svidex-*-{target.wheel}.whl",
        "npm": f"npm/svidex-{target.npm}-*.tgz",
        "c": f"c/svidex-c-*-{target.npm}.tar.gz",
    }
    if target.is_stand_alone:
        patterns["command"] = f"command/svidex-*-{target.npm.removesuffix('-musl')}.tar.gz"
    if not any(DIST.glob(patterns["wheel"])):
        return {}
    found = {}
    for name, pattern in patterns.items():
        (found[name],) = DIST.glob(pattern)
    return found


def main() -> None:
    if not files(here()):
        # What is said meanwhile is no measure.
        command = [sys.executable, "scripts/dist", "--only", "native"]
        subprocess.run(command, check=True, stdout=sys.stderr)
    for target in TARGETS:
        for name, path in files(target).items():
            measure = {"id": f"size.{target.npm}.{name}", "unit": "bytes"}
            print(json.dumps({**measure, "samples": [path.stat().st_size]}))


main()
