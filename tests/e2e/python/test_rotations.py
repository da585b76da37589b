"""OpenAI's SDK over time: programs that call through ten rotations of their SVID.

SVIDs of a few seconds stand for those of five minutes. At this scale whole
seconds leave no room for an agent that repeats its SVID until half its life, so
each fetch gets a new one, as from SPIRE with JTI. With SVIDEX_LONG they live
longer, and are repeated.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator import OwnEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
LONG = bool(os.environ.get("SVIDEX_LONG"))
SVID_SECONDS = 20 if LONG else 8
ROTATIONS = 10
pytestmark = pytest.mark.skipif(
    "SVIDEX_EMULATOR_INFO" in os.environ, reason="SVIDs of a few seconds are the emulator's"
)

WAYS = ("access_token", "access_token_async", "workload_identity")


@pytest.fixture(scope="module")
def programs(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[dict[str, subprocess.Popen[str]]]:
    """All at once, each with an emulator of its own: they mostly wait."""
    with ExitStack() as stack:
        started = {}
        for way in WAYS:
            emulator = OwnEmulator(tmp_path_factory.mktemp("emulator") / "dir")
            stack.enter_context(emulator)
            emulator.settings(svid_ttl_seconds=SVID_SECONDS, svid_repeat=LONG)
            started[way] = subprocess.Popen(
                [sys.executable, HERE / "programs/rotating.py", way, str(SVID_SECONDS)],
                env={
                    **emulator.environment,
                    "SVIDEX_SPIFFE_ID": emulator.info["spiffe_ids"][0],
                    "HTTPS_PROXY": emulator.info["https_proxy"],
                    "PYTHONPATH": f"{HERE}:{HERE.parents[2] / 'bindings/python/tests'}",
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(started[way].kill)
        yield started


@pytest.mark.parametrize("way", WAYS)
def test_one_exchange_for_each_svid(
    way: str, programs: dict[str, subprocess.Popen[str]]
) -> None:
    out, err = programs[way].communicate(timeout=60 + ROTATIONS * SVID_SECONDS)
    assert (programs[way].returncode, err) == (0, "")
    report = json.loads(out)
    counters: dict[str, Any] = report["counters"]

    # One for each is the least there can be. An access token ends with its SVID,
    # and the next SVID comes after half a life. The SDK exchanges `buffer` before
    # the end: a twentieth of a life, and that late there is always another SVID.
    exchanges = counters["exchanges"]
    assert exchanges == counters["exchanges_ok"]
    if way == "workload_identity":
        assert exchanges == 1 + ROTATIONS
    else:
        # More if the program was kept from holding one: on a machine that stalls.
        assert exchanges >= 1 + ROTATIONS
    # The one that comes next may be there before it is exchanged.
    assert exchanges <= counters["svids_minted"] <= exchanges + 1
    # An agent that repeats itself is asked twice.
    assert counters["fetch_jwt_svid"] <= counters["svids_minted"] * (2 if LONG else 1)

    assert report["failures"] == 0
    assert counters["api_requests"] == report["calls"]
    assert counters["api_unauthorized"] == 0
    # At each of the rotations there were some.
    assert report["calls"] > 3 * ROTATIONS
