"""One emulator process for all tests."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

BUILT = Path(__file__).parent / "../../../../target/debug/svidex-emulator"


@dataclass(frozen=True)
class Emulator:
    """A running emulator."""

    info: dict[str, Any]

    def post(self, path: str, body: dict[str, Any]) -> None:
        """Send a command to the control API."""
        request = urllib.request.Request(  # noqa: S310 - loopback http, from the emulator itself
            self.info["control"] + path,
            json.dumps(body).encode(),
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30):  # noqa: S310
            pass


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """Start the emulator; it ends when its standard input does."""
    program = os.environ.get("SVIDEX_EMULATOR_BIN", str(BUILT.resolve()))
    directory = tmp_path_factory.mktemp("emulator")
    command = [program, "serve", "--dir", str(directory), "--until-stdin-closes"]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield Emulator(json.loads(process.stdout.readline()))
        process.communicate()
    assert process.returncode == 0
