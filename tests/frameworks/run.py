#!/usr/bin/env python3
"""Runs every framework against the emulator, with the packages from their registries.

usage: tests/frameworks/run.py [--quick] [LANGUAGE | NAME ...]

Environments are made under target/frameworks when they are first needed; the bindings
are those that `make python node go` built. `--quick` takes the rows that install in
seconds. Prints a table; status 1 if a row is not as rows.py says.
"""

from __future__ import annotations

import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import environments
from judge import Seen, judge
from rows import ROWS, Row

if TYPE_CHECKING:
    from pathlib import Path

# Programs wait more than they work.
AT_ONCE = 4


@dataclass
class Judged:
    row: Row
    seen: Seen | None
    trouble: str

    @property
    def good(self) -> bool:
        return self.seen is not None and not self.trouble


def examine(row: Row, command: list[str | Path]) -> Judged:
    # What exchanges by itself may hold an SVID until it is nearly over, and the endpoint
    # gives it what is left of that, in whole seconds.
    svid_seconds = 12 if row.exchanges_by_itself else 4
    try:
        seen = judge(command, svid_seconds)
    except Exception as error:
        return Judged(row, None, "".join(traceback.format_exception_only(error)).strip())
    return Judged(row, seen, "; ".join(trouble(row, seen)))


def trouble(row: Row, seen: Seen) -> list[str]:
    found = []
    if seen.failed_after_revocation:
        found.append("calls failed after a revocation")
    if not seen.outage_with_a_token:
        found.append("an outage was felt with a token at hand")
    if seen.outage_without != row.error:
        found.append(f"users catch {seen.outage_without}, not {row.error}")
    # At either end an SVID may have come, and not been exchanged yet.
    if not row.exchanges_by_itself and abs(seen.rotations - seen.exchanges) > 1:
        found.append(f"{seen.exchanges} exchanges over {seen.rotations} rotations")
    return found


HEADER = (
    "framework",
    "call",
    "failed of 5 after a revocation",
    "exchanges over rotations",
    "outage with a token",
    "without one, users catch",
)


def cells(judged: Judged) -> tuple[str, ...]:
    row, seen = judged.row, judged.seen
    version = environments.version(row.pins, row.package)
    what = f"{row.language}: {row.name} ({row.package} {version})"
    if seen is None:
        return (what, "FAILED", "", "", "", "")
    return (
        what,
        "ok",
        str(seen.failed_after_revocation),
        f"{seen.exchanges} over {seen.rotations} ({seen.calls} calls)",
        "unseen" if seen.outage_with_a_token else "FELT",
        seen.outage_without,
    )


def wanted(row: Row, words: list[str]) -> bool:
    names = (row.language.lower(), row.name, row.package)
    return not words or any(word in names for word in words)


def main() -> int:
    words = [word for word in sys.argv[1:] if word != "--quick"]
    rows = [row for row in ROWS if wanted(row, words)]
    if "--quick" in sys.argv:
        rows = [row for row in rows if row.quick]
    commands = [environments.command(row.language, row.pins, row.name) for row in rows]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        judged = list(pool.map(examine, rows, commands))
    table = [HEADER, *map(cells, judged)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(map(str.ljust, line, widths)).rstrip())
    bad = [one for one in judged if not one.good]
    for one in bad:
        print(f"FAILED {one.row.language} {one.row.name}: {one.trouble}")
    print(f"{len(judged) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
