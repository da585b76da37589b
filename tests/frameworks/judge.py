"""Puts one framework through what happens to credentials.

The program of a row (row.py, row.mjs, row.go …) is asked line by line: `begin` makes
provider and client anew, `ask` asks a model who we are. It answers each with a line
of JSON: `answer`, or `error` (the name of its type), `ours` (whether a svidex error is
it, or behind it) and `message`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from environments import ROOT

sys.path.insert(0, str(ROOT / "bindings/python/tests"))

from emulator import OwnEmulator

if TYPE_CHECKING:
    from typing_extensions import Self

# A call that takes longer hangs.
LIMIT_SECONDS = 120
CALLS_AFTER_A_REVOCATION = 5
ROTATIONS = 3


@dataclass
class Seen:
    call: bool = False
    failed_after_revocation: int = -1
    outage_with_a_token: bool = False
    # What a user of the framework catches when there is none.
    outage_without: str = ""
    rotations: int = 0
    exchanges: int = 0
    calls: int = 0
    # Of the API, for tokens that were refused: one for each revocation.
    unauthorized: int = 0


class Program:
    def __init__(self, command: list[str | Path], world: OwnEmulator) -> None:
        info = world.info
        self._process = subprocess.Popen(
            command,
            env={
                **world.environment,
                "SVIDEX_SPIFFE_ID": info["spiffe_ids"][0],
                "HTTPS_PROXY": info["https_proxy"],
                "NO_PROXY": "127.0.0.1",
                "NODE_EXTRA_CA_CERTS": info["ca_file"],
                "NODE_USE_ENV_PROXY": "1",
                "NODE_NO_WARNINGS": "1",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if not os.environ.get("SVIDEX_FRAMEWORKS_NOISE") else None,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()

    def tell(self, word: str) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            _, stderr = self._process.communicate(timeout=LIMIT_SECONDS)
            raise RuntimeError(f"the program ended: {(stderr or '').strip()[-2000:]}")
        said: dict[str, Any] = json.loads(line)
        return said

    def begin(self) -> None:
        said = self.tell("begin")
        if "error" in said:
            raise RuntimeError(f"{said['error']}: {said['message']}")


def judge(command: list[str | Path], svid_seconds: int) -> Seen:
    with (
        tempfile.TemporaryDirectory() as directory,
        OwnEmulator(Path(directory)) as world,
    ):
        seen = Seen()
        with Program(command, world) as program:
            _over_trouble(program, world, seen)
        # Providers of before would go on exchanging.
        with Program(command, world) as program:
            _over_rotations(program, world, seen, svid_seconds)
        return seen


def _over_trouble(program: Program, world: OwnEmulator, seen: Seen) -> None:
    program.begin()
    said = program.tell("ask")
    if not _is_answer(said, world):
        raise RuntimeError(f"the first call: {said}")
    seen.call = True
    world.revoke_access_tokens()
    asked = [_is_answer(program.tell("ask"), world) for _ in range(CALLS_AFTER_A_REVOCATION)]
    seen.failed_after_revocation = asked.count(False)
    seen.unauthorized = world.counters()["api_unauthorized"]

    world.fault("token_endpoint", status=503)
    seen.outage_with_a_token = _is_answer(program.tell("ask"), world)
    program.begin()
    said = program.tell("ask")
    ours = " from ours" if said.get("ours") else ""
    seen.outage_without = f"{said['error']}{ours}" if "error" in said else "an answer"
    world.heal()


def _over_rotations(
    program: Program, world: OwnEmulator, seen: Seen, svid_seconds: int
) -> None:
    world.settings(svid_ttl_seconds=svid_seconds)
    program.begin()

    def ask() -> None:
        said = program.tell("ask")
        if not _is_answer(said, world):
            raise RuntimeError(f"a call over a rotation: {said}")

    ask()
    before = world.counters()
    while world.counters()["exchanges_ok"] < before["exchanges_ok"] + ROTATIONS:
        seen.calls += 1
        ask()
    after = world.counters()
    seen.rotations = after["svids_minted"] - before["svids_minted"]
    seen.exchanges = after["exchanges_ok"] - before["exchanges_ok"]


def _is_answer(said: dict[str, Any], world: OwnEmulator) -> bool:
    return world.info["spiffe_ids"][0] in said.get("answer", "")
