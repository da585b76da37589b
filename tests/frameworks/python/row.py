"""Puts one framework through what happens to credentials, and prints what it saw as JSON.

usage: row.py ROW        (the emulator is described by SVIDEX_EMULATOR_INFO)
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings/python/tests"))

import rows  # noqa: E402

import svidex  # noqa: E402
from emulator import from_environment  # noqa: E402

world = from_environment()
who = world.info["spiffe_ids"][0]


def asks(row: str) -> tuple[svidex.Provider, object]:
    provider = svidex.Provider.from_env()
    return provider, getattr(rows, row)(provider)


def answered(ask: object) -> bool:
    return who in ask()  # type: ignore[operator]


def main(row: str) -> dict[str, object]:
    seen: dict[str, object] = {}
    _, ask = asks(row)
    seen["call"] = answered(ask)

    world.revoke_access_tokens()
    failed = 0
    for _ in range(5):
        try:
            failed += not answered(ask)
        except Exception:
            failed += 1
    seen["failed after a revocation"] = failed

    world.fault("token_endpoint", status=503)
    seen["outage with a token"] = answered(ask)
    _, cold = asks(row)
    try:
        answered(cold)
        seen["outage without"] = "an answer"
    except Exception as error:
        cause = error.__cause__
        ours = isinstance(cause or error, svidex.Error)
        seen["outage without"] = f"{type(error).__name__}{' from ours' if ours else ''}"
    world.heal()

    world.settings(svid_ttl_seconds=4)
    _, ask = asks(row)
    answered(ask)
    before, calls = world.counters()["exchanges_ok"], 0
    while world.counters()["exchanges_ok"] < before + 3:
        calls += 1
        if not answered(ask):
            raise AssertionError("a call failed over a rotation")
    seen["exchanges in three rotations"] = world.counters()["exchanges_ok"] - before
    seen["calls meanwhile"] = calls
    return seen


print(json.dumps(main(sys.argv[1])))
