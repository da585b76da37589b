"""Where a recipe runs: a directory and an emulator of its own, and what its programs need
there."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import environments

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from emulator import OwnEmulator

HERE = Path(__file__).resolve().parent
SVID_SECONDS = 8
# Ten times what any of it takes.
LIMIT_SECONDS = 60


@dataclass
class Place:
    """Where one recipe runs: a directory of its own, and an emulator."""

    directory: Path
    world: OwnEmulator
    svidex: Path
    pins: Path | None
    stack: ExitStack
    # What the page's programs have in their environment besides.
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def run(self) -> Path:
        return self.directory / "run"

    @property
    def identity(self) -> str:
        return str(self.world.info["spiffe_ids"][0])

    def bridge(self, arguments: list[str]) -> None:
        """Returns when its files are there."""
        ready = self.directory / "ready"
        words = [self.svidex, *arguments, "--ready-file", ready]
        self.start(words, self.world.environment, "bridge.log")
        until("the bridge is not ready", ready.exists)

    def start(
        self, words: list[Any], environment: dict[str, str], log_name: str = "log"
    ) -> subprocess.Popen[str]:
        log = self.stack.enter_context((self.directory / log_name).open("a"))
        process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def program(
        self, name: str, environment: dict[str, str], *arguments: str
    ) -> Callable[[], str]:
        """Asks program.py, in the environment of the recipe's pins."""
        words = [self.python(), HERE / "program.py", name, *arguments]
        process = self.start(words, {**self.proxied(), **environment})
        assert process.stdin is not None
        assert process.stdout is not None
        to, answers = process.stdin, process.stdout

        def ask() -> str:
            to.write("\n")
            to.flush()
            return answers.readline()

        return ask

    def python(self) -> Path:
        return self.installed("python")

    def installed(self, command: str) -> Path:
        assert self.pins is not None
        return commands_of(self.pins) / command

    def proxied(self) -> dict[str, str]:
        """A program's environment: none of svidex's variables, and the emulator's proxy."""
        ours = self.world.environment
        foreign = {k: v for k, v in ours.items() if not k.startswith(("OPENAI_", "SVIDEX_"))}
        ca_file = self.world.info["ca_file"]
        return {
            **foreign,
            "HOME": str(self.directory),
            "HTTPS_PROXY": self.world.info["https_proxy"],
            "NO_PROXY": "127.0.0.1",
            "SSL_CERT_FILE": ca_file,
            "REQUESTS_CA_BUNDLE": ca_file,
        }

    def twice(self, ask: Callable[[], str], file: Path, wanted: str) -> None:
        """Before and after all tokens of the first time have ended."""
        self._once(ask, wanted)
        before = file.read_text()
        time.sleep(SVID_SECONDS)
        until("nothing is rotated", lambda: file.read_text() != before)
        self._once(ask, wanted)

    def _once(self, ask: Callable[[], str], wanted: str) -> None:
        said = ask()
        if wanted not in said:
            raise RuntimeError(f"{said.strip()!r} has no {wanted!r}: {self.log()}")

    def log(self) -> str:
        """What the page's program said, or the bridge where there is none yet."""
        logs = [self.directory / name for name in ("log", "bridge.log")]
        return next((it.read_text()[-1500:] for it in logs if it.exists()), "")


def commands_of(pins: Path) -> Path:
    """Where the commands of these packages are, installed."""
    if pins.suffix == ".json":
        place = environments.PLACE / "node/recipes"
        return environments.node_with(pins, place) / "node_modules/.bin"
    venv = environments.PLACE / f"recipes-{pins.stem}"
    return environments.python_with(pins, venv).parent


def until(what: str, is_so: Callable[[], object]) -> None:
    give_up = time.monotonic() + LIMIT_SECONDS
    while not is_so():
        if time.monotonic() > give_up:
            raise TimeoutError(what)
        time.sleep(0.02)


def free_port() -> int:
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return int(it.getsockname()[1])


def ran(words: list[Any], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def through(base_url: str, key: str = "none", model: str = "gpt-5-mini") -> Callable[[], str]:
    """A program that has a URL, and no token of OpenAI's."""
    question = json.dumps({"model": model, "input": "Who am I?"}).encode()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask() -> str:
        request = urllib.request.Request(
            f"{base_url}/responses",
            question,
            {"Content-Type": "application/json", "Authorization": f"Bearer {key}"},
        )
        try:
            with opener.open(request, timeout=LIMIT_SECONDS) as answer:
                said: str = answer.read().decode()
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode()}"
        return said

    return ask


def is_listening(port: int) -> bool:
    with socket.socket() as it:
        return it.connect_ex(("127.0.0.1", port)) == 0
