"""The emulator as these tests see it: a process, its addresses, its control API."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from typing_extensions import Self

    from svidex import Options

Leg: TypeAlias = Literal["workload_api", "token_endpoint", "api", "discovery"]

_REPOSITORY = Path(__file__).resolve().parents[3]

# Of the environment of whoever runs the tests, nothing of this may get in.
VARIABLES = (
    "HTTPS_PROXY",
    "ALL_PROXY",
    "all_proxy",
    "HTTP_PROXY",
    "NO_PROXY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_IDENTITY_PROVIDER_ID",
    "OPENAI_IDENTITY_TOKEN_FILE",
    "OPENAI_SERVICE_ACCOUNT_ID",
    "SPIFFE_ENDPOINT_SOCKET",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "SVIDEX_AUDIENCE",
    "SVIDEX_SPIFFE_ID",
    "SVIDEX_TOKEN_ENDPOINT",
)


def find_emulator() -> Path:
    """SVIDEX_EMULATOR_BIN, else the repository's own build, else PATH."""
    if chosen := os.environ.get("SVIDEX_EMULATOR_BIN"):
        return Path(chosen)
    target = Path(os.environ.get("CARGO_TARGET_DIR", _REPOSITORY / "target"))
    for profile in ("release", "debug"):
        built = target / profile / "svidex-emulator"
        if built.exists():
            return built
    if on_path := shutil.which("svidex-emulator"):
        return Path(on_path)
    raise FileNotFoundError(
        "no svidex-emulator: run `cargo build -p svidex-emulator`, or set SVIDEX_EMULATOR_BIN"
    )


class Emulator:
    """One that is running, whoever started it. `info` is its readiness line."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.info = info

    @property
    def options(self) -> Options:
        """For a provider that gets its SVIDs from the Workload API."""
        return {
            "endpoint_socket": self.info["endpoint_socket"],
            "identity_provider_id": self.info["identity_provider_id"],
            "service_account_id": self.info["service_account_id"],
            "token_endpoint": self.info["token_endpoint"],
            "ca_file": self.info["ca_file"],
        }

    @property
    def environment(self) -> dict[str, str]:
        """For a program of its own: this process's, pointed at the emulator."""
        ours = {k: v for k, v in os.environ.items() if k.upper() not in VARIABLES}
        return {
            **ours,
            "SPIFFE_ENDPOINT_SOCKET": self.info["endpoint_socket"],
            "OPENAI_IDENTITY_PROVIDER_ID": self.info["identity_provider_id"],
            "OPENAI_SERVICE_ACCOUNT_ID": self.info["service_account_id"],
            "SVIDEX_TOKEN_ENDPOINT": self.info["token_endpoint"],
            "SSL_CERT_FILE": self.info["ca_file"],
            "SVIDEX_EMULATOR_INFO": json.dumps(self.info),
        }

    def counters(self) -> dict[str, Any]:
        counters: dict[str, Any] = self._call("GET", "/counters")
        return counters

    def settings(self, **changes: object) -> None:
        self._call("POST", "/settings", changes)

    def fault(self, leg: Leg, **fault: object) -> None:
        """In place of the leg's fault, if it had one."""
        self._call("POST", "/faults", {"leg": leg, "fault": fault})

    def heal(self) -> None:
        self._call("DELETE", "/faults")

    def hold(self, leg: Leg) -> None:
        """From now on its requests wait."""
        self._call("POST", "/barrier", {"leg": leg, "hold": True})

    def release(self, leg: Leg) -> None:
        self._call("POST", "/barrier", {"leg": leg, "hold": False})

    def wait_until_held(self, leg: Leg, requests: int = 1) -> None:
        """Returns once that many requests wait at the leg: they are in flight."""
        self._call("GET", f"/barrier/{leg}?waiting={requests}")

    def token_file(self, **plan: object) -> None:
        """Writes the token file as told, and returns when it is written."""
        self._call("POST", "/token-file", plan)

    def revoke_access_tokens(self) -> None:
        """From now on the API answers 401 to all that were given out."""
        self._call("POST", "/revoke", {"all": True})

    def _call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            self.info["control"] + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        # The control API is not what the proxy variables are about.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)


class OwnEmulator(Emulator):
    """One that we start, and that ends with us: it watches its stdin."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [find_emulator(), "serve", "--dir", directory, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        super().__init__(json.loads(self._process.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Its sockets are gone when this returns."""
        with self._process:
            self._process.kill()


def from_environment() -> Emulator:
    """The one that SVIDEX_EMULATOR_INFO describes."""
    return Emulator(json.loads(os.environ["SVIDEX_EMULATOR_INFO"]))
