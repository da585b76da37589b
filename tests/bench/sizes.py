"""How large the files of a release are, for each target that dist/ has.

Run from the repository's root with scripts/dist in PYTHONPATH; builds this machine's
own target where that is missing, and prints one JSON line for each file.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from contents import files
from targets import TARGETS, here

DIST = Path("dist")


def main() -> None:
    if not files(DIST, here()):
        # What is said meanwhile is no measure.
        command = [sys.executable, "scripts/dist", "--only", "native"]
        subprocess.run(command, check=True, stdout=sys.stderr)
    for target in TARGETS:
        for name, path in files(DIST, target).items():
            if name == "go":
                continue  # One module for all of them.
            measure = {"id": f"size.{target.npm}.{name}", "unit": "bytes"}
            print(json.dumps({**measure, "samples": [path.stat().st_size]}))


main()
