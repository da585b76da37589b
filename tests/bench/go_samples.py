"""Turns what Go's benchmarks print into one JSON line for each.

usage: go_samples.py FILE      the output of several runs, one after another
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

NAMES = {
    "Read": "read",
    "Read8": "read_by_8",
    "SDK": "sdk",
    "GoSpiffe": "go_spiffe",
    "Noop": "noop",
}
LINE = re.compile(
    r"^Benchmark(?P<name>\w+?)(-\d+)?\s+\d+\s+(?P<ns>[\d.]+) ns/op"
    r"(\s+\d+ B/op\s+(?P<allocations>\d+) allocs/op)?",
    re.MULTILINE,
)


def main() -> None:
    samples: dict[tuple[str, str], list[float]] = {}
    for match in LINE.finditer(Path(sys.argv[1]).read_text()):
        name = NAMES[match["name"]]
        samples.setdefault((f"go.{name}", "ns"), []).append(float(match["ns"]))
        if match["allocations"] is not None:
            key = (f"go.{name}.allocations", "allocations")
            samples.setdefault(key, []).append(float(match["allocations"]))
    for (name, unit), values in samples.items():
        print(json.dumps({"id": name, "unit": unit, "samples": values}))


main()
