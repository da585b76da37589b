"""Calls while something else in the process or on the machine goes wrong: see `programs/`."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import svidex
from emulator import OwnEmulator, find_emulator
from test_processes import HERE, finish, start

HANGS = HERE.parents[2] / "tests" / "hangs" / "hangs.py"
SKIPPED = 77


def test_calls_keep_their_deadlines_while_files_names_and_a_handler_hang() -> None:
    python, program = sys.executable, HERE / "programs" / "hangs.py"
    ran = subprocess.run(
        [python, HANGS, find_emulator(), "run", "--", python, program],
        env={**os.environ, "PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if ran.returncode == SKIPPED:
        pytest.skip(ran.stderr.strip())
    assert (ran.returncode, ran.stdout) == (0, "all is well\n"), ran.stderr


def test_at_the_limit_of_descriptors(emulator: OwnEmulator) -> None:
    finish(start(emulator, "limits", "descriptors"))


@pytest.mark.skipif(os.geteuid() != 0, reason="root alone can become a user without threads")
def test_at_the_limit_of_threads() -> None:
    with tempfile.TemporaryDirectory() as name:
        # Open to the user that the program becomes.
        directory = Path(name)
        directory.chmod(0o755)
        with OwnEmulator(directory / "emulator") as emulator:
            socket = emulator.info["endpoint_socket"].removeprefix("unix://")
            for path in (str(directory / "emulator"), socket, emulator.info["ca_file"]):
                Path(path).chmod(0o777)
            finish(start(emulator, "limits", "threads"))


@pytest.mark.parametrize("how", ["_Fork", "clone"])
def test_in_a_child_that_nobody_was_told_of(emulator: OwnEmulator, how: str) -> None:
    if how == "_Fork" and not hasattr(ctypes.CDLL(None), "_Fork"):
        pytest.skip("this C library has no _Fork")
    finish(start(emulator, "unseen", how))


def test_a_ca_file_that_is_replaced_while_in_use(emulator: OwnEmulator, tmp_path: Path) -> None:
    right = Path(emulator.info["ca_file"]).read_bytes()
    wrong = (HERE.parents[2] / "core" / "tests" / "network" / "other-ca.pem").read_bytes()
    ca_file = tmp_path / "ca.pem"

    def put(text: bytes) -> None:
        # As tools do that replace a bundle.
        (tmp_path / "new.pem").write_bytes(text)
        (tmp_path / "new.pem").rename(ca_file)

    def fails(provider: svidex.Provider) -> None:
        """One attempt does."""
        failed = provider.status().exchange_failures
        with pytest.raises(svidex.Error):
            provider.access_token(timeout=0)
        give_up = time.monotonic() + 20
        while provider.status().exchange_failures == failed:
            assert time.monotonic() < give_up
        error = provider.status().last_error
        assert error is not None
        assert str(ca_file) in error.message

    put(wrong)
    options: svidex.Options = {**emulator.options, "ca_file": str(ca_file)}
    with svidex.Provider(**options) as provider:
        fails(provider)
        put(right)
        token = provider.access_token()
        put(wrong)
        provider.invalidate(token)
        fails(provider)
        put(right)
        assert provider.access_token() != token
