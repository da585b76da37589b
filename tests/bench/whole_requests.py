"""The recommended line beside the SDK's own federation, for whole requests.

usage: whole_requests.py ROUNDS ROTATIONS [SECTION ...]

Both make requests of the emulator, in turn: so many a second with a token at hand, and
then over rotations of short-lived SVIDs, with a token endpoint that takes 50 ms, as one
far away does. Of those the slowest request around each exchange counts: the first that
would meet a new token. Prints one JSON line for each measure.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/frameworks"))

import environments  # noqa: E402
from judge import OwnEmulator, Program  # noqa: E402

ROWS = {
    "python": ("Python", "requirements.txt", "openai", "openai_federation"),
    "node22": ("Node", "node/node22/package.json", "openai", "openaiFederation"),
    "go": ("Go", "go/go.mod", "openai", "openaiFederation"),
}
AT_ONCE = 100
# Shorter ones end while the SDK still exchanges them.
SVID_SECONDS = 12
ENDPOINT_MS = 50


def asked(program: Program, word: str) -> float:
    """Nanoseconds that an answer took."""
    began = time.perf_counter_ns()
    said = program.tell(word)
    took = time.perf_counter_ns() - began
    if "answer" not in said:
        raise RuntimeError(f"{word}: {said}")
    return float(took)


def rotated(program: Program, world: OwnEmulator, rotations: int) -> list[float]:
    """The slowest request from before an exchange begins until after it has ended."""
    world.settings(svid_ttl_seconds=SVID_SECONDS)
    world.fault("token_endpoint", delay_ms=ENDPOINT_MS)
    program.begin()
    asked(program, "ask")
    slowest: list[float] = []
    seen, longest = world.counters()["exchanges_ok"], 0.0
    while len(slowest) < rotations:
        longest = max(longest, asked(program, "ask"))
        now = world.counters()["exchanges_ok"]
        # An exchange that is under way is waited for, and the request after it counts.
        if now == seen:
            if world.counters()["exchanges"] == now:
                longest = 0.0
            continue
        seen = now
        slowest.append(max(longest, asked(program, "ask")))
        longest = 0.0
    world.heal()
    world.settings(svid_ttl_seconds=300)
    return slowest


def report(name: str, samples: list[float]) -> None:
    print(json.dumps({"id": name, "unit": "ns", "samples": samples}), flush=True)


def p99(samples: list[float]) -> list[float]:
    return [sorted(samples)[int(len(samples) * 0.99)]]


def measure(section: str, rounds: int, rotations: int) -> None:
    language, pins, *names = ROWS[section]
    with tempfile.TemporaryDirectory() as directory, OwnEmulator(Path(directory)) as world:
        commands = [environments.command(language, pins, name) for name in names]
        with Program(commands[0], world) as ours, Program(commands[1], world) as theirs:
            sides = {"request": ours, "request_by_sdk": theirs}
            for program in sides.values():
                program.begin()
                asked(program, f"ask {AT_ONCE}")
            samples: dict[str, list[float]] = {name: [] for name in sides}
            for _ in range(rounds):
                for name, program in sides.items():
                    samples[name].append(asked(program, f"ask {AT_ONCE}") / AT_ONCE)
            for name, values in samples.items():
                report(f"{section}.{name}", values)
        for name, command in zip(("rotation", "rotation_by_sdk"), commands, strict=True):
            with Program(command, world) as program:
                slowest = rotated(program, world, rotations)
                report(f"{section}.{name}", slowest)
                report(f"{section}.{name}_p99", p99(slowest))


def main() -> None:
    rounds, rotations = map(int, sys.argv[1:3])
    for section in sys.argv[3:] or ROWS:
        measure(section, rounds, rotations)


if __name__ == "__main__":
    main()
