"""Child processes that never outlive us, and waiting for what they do."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

# How often a condition in another process is looked at again.
POLL_SECONDS = 0.05


class SpireError(Exception):
    """Something did not come up, or does not do what it was asked for."""


def until_true(what: str, seconds: float, holds: Callable[[], bool]) -> None:
    """Return once `holds()`; raise SpireError naming `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise SpireError(f"gave up after {seconds:g} s waiting for {what}")
        time.sleep(POLL_SECONDS)


class Child:
    """One daemon with its log file. Start it from the main thread only.

    The kernel is asked to kill the daemon when its parent dies, so that a
    harness that is killed leaves no orphan; on Linux "parent" means the thread
    that started it, hence the rule.
    """

    def __init__(self, name: str, command: Sequence[str | Path], log: Path) -> None:
        self.name = name
        self._log = log
        self._command = [str(part) for part in command]
        if setpriv := shutil.which("setpriv"):
            self._command[:0] = [setpriv, "--pdeathsig", "KILL", "--"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def wait_until(self, what: str, seconds: float, holds: Callable[[], bool]) -> None:
        """Like `until_true`, but a daemon that ended ends the wait at once."""

        def holds_or_died() -> bool:
            if not self.running():
                raise SpireError(f"{self.name} ended before {what}")
            return holds()

        try:
            until_true(what, seconds, holds_or_died)
        except SpireError as error:
            raise SpireError(f"{error}\n{self.log_tail()}") from None

    def send(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, which ends a stopped process too, and reap."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ask politely, then kill."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.kill()

    def log_tail(self) -> str:
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-15:])
