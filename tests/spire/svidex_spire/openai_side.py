"""The OpenAI half: our emulator's, trusting SPIRE's keys through discovery."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from .authority import Authority
from .children import SpireError

_REPOSITORY = Path(__file__).resolve().parents[3]


def find_emulator() -> Path:
    """SVIDEX_EMULATOR_BIN, else the repository's own build, else PATH."""
    chosen = os.environ.get("SVIDEX_EMULATOR_BIN")
    if chosen:
        return Path(chosen)
    target = Path(os.environ.get("CARGO_TARGET_DIR", _REPOSITORY / "target"))
    for profile in ("release", "debug"):
        built = target / profile / "svidex-emulator"
        if built.exists():
            return built
    if on_path := shutil.which("svidex-emulator"):
        return Path(on_path)
    raise FileNotFoundError(
        "no svidex-emulator: run `cargo build -p svidex-emulator`,"
        " or set SVIDEX_EMULATOR_BIN"
    )


class OpenAISide:
    """`svidex-emulator openai`, which ends when we do: it watches its stdin."""

    def __init__(self, emulator: Path, directory: Path, authority: Authority) -> None:
        self._log = directory / "emulator.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    *(emulator, "openai", "--until-stdin-closes"),
                    *("--dir", directory / "openai"),
                    *("--trust-issuer", authority.issuer),
                    *("--trust-ca", authority.issuer_ca),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def info(self) -> dict[str, object]:
        """Its readiness line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise SpireError(
                f"svidex-emulator openai ended:\n{self._log.read_text(errors='replace')}"
            )
        info = json.loads(line)
        assert isinstance(info, dict)
        return info

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
