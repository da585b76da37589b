#!/usr/bin/env python3
"""Runs every suite and ends in one summary with a count per suite.

usage: tests/run.py [--long] [SUITE ...]

A suite's full output goes to target/test-logs/SUITE.log; what failed is shown.
Exit status: 0 if every suite passed. A suite that executes no test has failed,
unless it says with status 77 that what it needs is absent: then it is skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from suites import SUITES, Suite

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / "target" / "test-logs"
SKIPPED = 77


@dataclass
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")

    def add(self, other: Count) -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


# The closing lines of the runners that the suites use.
CLOSING_LINES = [
    # cargo test
    re.compile(
        r"^test result: \w+\. (?P<passed>\d+) passed; (?P<failed>\d+) failed; "
        r"(?P<skipped>\d+) ignored"
    ),
    # pytest
    re.compile(
        r"^=* ?(?=.*\b(passed|failed|error|skipped))(?P<pytest>\d+ .*) in [\d.]+s"
    ),
    # node --test, once per run
    re.compile(r"^[ℹ#] (?P<node>pass|fail|skipped|cancelled|todo) (?P<number>\d+)$"),
    # go test -v, top-level tests only
    re.compile(r"^--- (?P<go>PASS|FAIL|SKIP): "),
    # our own scripts
    re.compile(
        r"^(\w[\w-]*: )?(?P<passed>\d+) passed, (?P<failed>\d+) failed"
        r"(, (?P<skipped>\d+) skipped)?$"
    ),
]


def count(output: str) -> Count:
    total = Count()
    for line in output.splitlines():
        for pattern in CLOSING_LINES:
            match = pattern.match(line)
            if match:
                total.add(read(match))
                break
    return total


def read(match: re.Match[str]) -> Count:
    found = match.groupdict()
    if "pytest" in found:
        numbers = {
            word: int(n) for n, word in re.findall(r"(\d+) (\w+)", found["pytest"])
        }
        failed = (
            numbers.get("failed", 0)
            + numbers.get("error", 0)
            + numbers.get("errors", 0)
        )
        return Count(numbers.get("passed", 0), failed, numbers.get("skipped", 0))
    if "node" in found:
        number = int(found["number"])
        return {
            "pass": Count(passed=number),
            "fail": Count(failed=number),
            "cancelled": Count(failed=number),
        }.get(found["node"], Count(skipped=number))
    if "go" in found:
        return {"PASS": Count(1), "FAIL": Count(0, 1), "SKIP": Count(0, 0, 1)}[
            found["go"]
        ]
    return Count(
        int(found["passed"]), int(found["failed"]), int(found.get("skipped") or 0)
    )


# How the runners name a test that failed.
FAILED_TESTS = [
    re.compile(r"^test (?P<name>.+) \.\.\. FAILED$"),
    re.compile(r"^FAILED (?P<name>\S+)"),
    re.compile(r"^\s*(✖|not ok( \d+ -)?) (?P<name>.+?)( \([\d.]+ms\))?$"),
    re.compile(r"^\s*--- FAIL: (?P<name>\S+)"),
]


def failed_tests(output: str) -> list[str]:
    """Their names, each once: what a reader of the summary asks first."""
    found = [
        match["name"]
        for line in output.splitlines()
        for pattern in FAILED_TESTS
        if (match := pattern.match(line)) and match["name"] != "failing tests:"
    ]
    return list(dict.fromkeys(found))


def run(suite: Suite, *, long: bool) -> tuple[str, Count, bool, float]:
    began = time.monotonic()
    output, counted, good = result(suite, long=long)
    return output, counted, good, time.monotonic() - began


def result(suite: Suite, *, long: bool) -> tuple[str, Count, bool]:
    environment = dict(os.environ, VENV=str(ROOT / ".venv"))
    if long:
        environment["SVIDEX_LONG"] = "1"
    log = LOGS / f"{suite.name}.log"
    with log.open("wb") as out:
        status = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", suite.command],
            cwd=ROOT / suite.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    output = log.read_text(errors="replace")
    counted = count(output)
    if status == SKIPPED:
        return output, Count(skipped=1), True
    if not suite.counts_tests:
        counted = Count(int(status == 0), int(status != 0))
    ran = counted.passed + counted.failed > 0
    return output, counted, status == 0 and ran and counted.failed == 0


def batches(suites: list[Suite]) -> Iterator[list[Suite]]:
    """Suites that run at the same time."""
    for wait, neighbours in groupby(suites, lambda suite: suite.waits):
        together = list(neighbours)
        yield from [together] if wait else ([suite] for suite in together)


def run_all(
    suites: list[Suite], *, long: bool
) -> Iterator[tuple[Suite, tuple[str, Count, bool, float]]]:
    for batch in batches(suites):
        print(f"{', '.join(suite.name for suite in batch)} …", flush=True)
        with ThreadPoolExecutor(len(batch)) as pool:
            yield from zip(batch, pool.map(partial(run, long=long), batch), strict=True)


def main() -> int:
    arguments = sys.argv[1:]
    long = "--long" in arguments
    wanted = [name for name in arguments if name != "--long"]
    names = {suite.name for suite in SUITES}
    unknown = set(wanted) - names
    if unknown:
        print(
            f"no suite {', '.join(sorted(unknown))}; there are: {', '.join(sorted(names))}",
            file=sys.stderr,
        )
        return 2
    chosen = [
        suite
        for suite in SUITES
        if (suite.name in wanted if wanted else long or not suite.only_long)
    ]
    LOGS.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[str, Count, bool, float]] = []
    failures: list[str] = []
    for suite, (output, counted, good, seconds) in run_all(chosen, long=long):
        rows.append((suite.name, counted, good, seconds))
        print(f"{suite.name}: {counted} ({seconds:.0f} s)", flush=True)
        if not good:
            tail = "\n".join(output.splitlines()[-80:])
            print(
                f"---- {suite.name} failed; the end of its log:\n{tail}\n----",
                flush=True,
            )
            culprits = failed_tests(output) or [f"see {LOGS.name}/{suite.name}.log"]
            failures += [f"{suite.name}: {culprit}" for culprit in culprits]
    total = Count()
    width = max(len(name) for name, *_ in rows)
    print("\nsummary")
    for name, counted, good, seconds in rows:
        total.add(counted)
        verdict = (
            "ok"
            if good and not counted.skipped
            else "ok, in part"
            if good
            else "FAILED"
        )
        if good and counted.passed == 0:
            verdict = "skipped"
        print(f"  {name:<{width}}  {verdict:<11} {counted!s:<40} {seconds:5.0f} s")
    for failure in failures:
        print(f"  FAILED {failure}")
    good = all(good for _, _, good, _ in rows)
    if not good and total.failed == 0:
        total.failed = sum(not good for _, _, good, _ in rows)
    print(f"{total}", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
