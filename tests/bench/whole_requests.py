"""The recommended line beside the SDK's own federation, for whole requests.

usage: whole_requests.py install [SECTION ...]
       whole_requests.py ROUNDS ROTATIONS [SECTION ...]

`install` makes what the programs need. Both sides make requests of the emulator, in
turn: so many a second with a token at hand, and then over rotations of short-lived SVIDs,
with a token endpoint that takes 50 ms, as one far away does. Of those the slowest request
around each exchange counts: the first that would meet a new token. Prints one JSON line
for each measure.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/frameworks"))

import environments  # noqa: E402
from judge import OwnEmulator, Program  # noqa: E402

if TYPE_CHECKING:
    from typing import TypeAlias

    Commands: TypeAlias = list[list[str | Path]]

ROWS = {
    "python": ("Python", "requirements.txt", "openai", "openai_federation"),
    "node22": ("Node", "node/node22/package.json", "openai", "openaiFederation"),
    "go": ("Go", "go/go.mod", "openai", "openaiFederation"),
}
AT_ONCE = 100
# Shorter ones end while the SDK still exchanges them.
SVID_SECONDS = 12
ENDPOINT_MS = 50
# With fewer rotations than these the 99th percentile is the slowest of all.
ENOUGH_FOR_P99 = 100


def asked(program: Program, word: str) -> float:
    """Nanoseconds that an answer took."""
    began = time.perf_counter_ns()
    said = program.tell(word)
    took = time.perf_counter_ns() - began
    if "answer" not in said:
        raise RuntimeError(f"{word}: {said}")
    return float(took)


class Rotating:
    """A side over rotations: its program, and an emulator whose counters are its own."""

    def __init__(self, command: list[str | Path], stack: ExitStack) -> None:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        self._world = stack.enter_context(OwnEmulator(Path(directory)))
        self._world.settings(svid_ttl_seconds=SVID_SECONDS)
        self._world.fault("token_endpoint", delay_ms=ENDPOINT_MS)
        self._program = stack.enter_context(Program(command, self._world))
        self._program.begin()
        asked(self._program, "ask")
        self._exchanged = self._world.counters()["exchanges_ok"]
        self._longest = 0.0
        # Of each rotation, the slowest request from before its exchange began until after
        # it had ended.
        self.slowest: list[float] = []

    def ask(self) -> None:
        self._longest = max(self._longest, asked(self._program, "ask"))
        counters = self._world.counters()
        exchanged = counters["exchanges_ok"]
        if exchanged != self._exchanged:
            # The request after it counts too.
            self.slowest.append(max(self._longest, asked(self._program, "ask")))
            self._exchanged = exchanged
            self._longest = 0.0
        elif counters["exchanges"] == exchanged:
            # None is under way.
            self._longest = 0.0


def report(name: str, samples: list[float]) -> None:
    print(json.dumps({"id": name, "unit": "ns", "samples": samples}), flush=True)


def commands(section: str) -> Commands:
    """What runs our side, and the SDK's; installs what is not there yet."""
    language, pins, *names = ROWS[section]
    say(f"getting the packages of {language}'s programs")
    return [environments.command(language, pins, name) for name in names]


def with_a_token(section: str, commands: Commands, rounds: int) -> None:
    with ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        world = stack.enter_context(OwnEmulator(Path(directory)))
        sides = [stack.enter_context(Program(command, world)) for command in commands]
        for program in sides:
            program.begin()
            asked(program, f"ask {AT_ONCE}")
        samples: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for program, values in zip(sides, samples, strict=True):
                values.append(asked(program, f"ask {AT_ONCE}") / AT_ONCE)
    for name, values in zip(("request", "request_by_sdk"), samples, strict=True):
        report(f"{section}.{name}", values)


def over_rotations(section: str, commands: Commands, rotations: int) -> None:
    with ExitStack() as stack:
        sides = [Rotating(command, stack) for command in commands]
        said = 0
        while (done := min(len(side.slowest) for side in sides)) < rotations:
            if done >= said + 10:
                said = done
                say(f"{section}: {done} of {rotations} rotations")
            for side in sides:
                side.ask()
    for name, side in zip(("rotation", "rotation_by_sdk"), sides, strict=True):
        slowest = side.slowest[:rotations]
        report(f"{section}.{name}", slowest)
        if rotations >= ENOUGH_FOR_P99:
            report(f"{section}.{name}_p99", [nearest_rank(slowest, 0.99)])
        else:
            report(f"{section}.{name}_slowest", [max(slowest)])


def nearest_rank(samples: list[float], share: float) -> float:
    return sorted(samples)[math.ceil(len(samples) * share) - 1]


def say(words: str) -> None:
    print(f"bench: {words}", file=sys.stderr, flush=True)


def main() -> None:
    installing = sys.argv[1] == "install"
    sections = sys.argv[2 if installing else 3 :] or list(ROWS)
    made = {section: commands(section) for section in sections}
    if installing:
        return
    rounds, rotations = map(int, sys.argv[1:3])
    for section, both in made.items():
        say(f"{section}: whole requests")
        with_a_token(section, both, rounds)
        say(f"{section}: {rotations} rotations, of about {SVID_SECONDS // 2} s")
        over_rotations(section, both, rotations)


if __name__ == "__main__":
    main()
