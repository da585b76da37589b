"""The rows of ../rows.json, every way into OpenAI's SDK, sync and async.

Rows with an emulator of their own run in programs of their own, all at once: they
mostly wait. SVIDs of a few seconds stand there for those of five minutes. At this
scale whole seconds leave no room for an agent that repeats its SVID until half its
life, so each fetch gets a new one, as from SPIRE with JTI. With SVIDEX_LONG they
live longer, and are repeated.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from emulator import Emulator, OwnEmulator
from rows import OWN, ROWS, WAYS, Run, find

if TYPE_CHECKING:
    from collections.abc import Iterator

    Programs = dict[tuple[str, str, str], subprocess.Popen[str]]

HERE = Path(__file__).parent
# A hang ends here: more than ten rotations take.
LIMIT_SECONDS = 600
KINDS = ("sync", "async")

# The SDK closes neither in an order that suits `filterwarnings = error`; and its
# sockets use what its library calls old.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def cases(*, own: bool) -> list[Any]:
    return [
        pytest.param(row["name"], way, kind, id=f"{row['name']} [{way}, {kind}]")
        for row in ROWS
        if (row.get("needs") == OWN) == own
        for way in row.get("ways", WAYS)
        for kind in KINDS
    ]


@pytest.mark.parametrize(("name", "way", "kind"), cases(own=False))
def test_row(name: str, way: str, kind: str, world: Emulator, tmp_path: Path) -> None:
    row = find(name)
    if row.get("needs") == "emulator" and world.info.get("authority") == "spire":
        pytest.skip("asks of the agent what real SPIRE does not do on demand")
    Run(row, way, is_async=kind == "async", world=world, directory=tmp_path).execute()


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Programs]:
    with ExitStack() as stack:
        started: Programs = {}
        for case in cases(own=True):
            directory = tmp_path_factory.mktemp("row")
            world = stack.enter_context(OwnEmulator(directory / "dir"))
            started[case.values] = subprocess.Popen(
                [sys.executable, HERE / "rows.py", *case.values, directory],
                env={
                    **world.environment,
                    "SVIDEX_SPIFFE_ID": world.info["spiffe_ids"][0],
                    "HTTPS_PROXY": world.info["https_proxy"],
                    "PYTHONPATH": str(HERE.parents[2] / "bindings/python/tests"),
                },
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            stack.callback(started[case.values].kill)
        yield started


@pytest.mark.skipif(
    "SVIDEX_EMULATOR_INFO" in os.environ, reason="SVIDs of a few seconds are the emulator's"
)
@pytest.mark.parametrize(("name", "way", "kind"), cases(own=True))
def test_row_alone(name: str, way: str, kind: str, programs: Programs) -> None:
    program = programs[name, way, kind]
    out, _ = program.communicate(timeout=LIMIT_SECONDS)
    assert (program.returncode, out) == (0, "")


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": [{"ponder": True}]},
        {"steps": [{"ask": "responses", "loudly": True}]},
        {"steps": [{"ask": "responses", "error": {"colour": "red"}}]},
        {"steps": [{"ask": "responses", "answer": "somebody else"}]},
        {"steps": [{"counted": {"exchanges": 1}}]},
        {"steps": [{"ask": "responses", "error": {"sdk": "any"}}]},
        {"needs": "a miracle"},
        {"mood": "blue"},
    ],
)
def test_what_a_runner_does_not_know_or_find_fails(
    changes: dict[str, Any], world: Emulator, tmp_path: Path
) -> None:
    row = {"name": "a row", "steps": [], **changes}
    with pytest.raises((AssertionError, KeyError, TypeError, ValueError)):
        Run(row, "client", is_async=False, world=world, directory=tmp_path).execute()
