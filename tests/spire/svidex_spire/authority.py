"""SPIRE's server, agent and OIDC discovery provider, and what is registered there."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from . import configs
from .binaries import Binaries
from .certificates import make_serving_certificate
from .children import Child, SpireError, until_true

TRUST_DOMAIN = "example.org"
AUDIENCE = "https://api.openai.com/v1"

# Generous, because a loaded CI machine starts these Go programs slowly.
START_SECONDS = 60.0
# A path of a Unix socket is at most 107 bytes long on Linux.
SOCKET_PATH_MAX_BYTES = 107

# The audience of our own questions: the agent caches per audience, so asking for
# this one leaves the first SVID of the workload under test to that workload.
_PROBE_AUDIENCE = "svidex-harness-probe"


@dataclass(frozen=True)
class Identity:
    """One registration entry for our own uid."""

    entry_id: str
    spiffe_id: str
    hint: str


# The agent answers in the order of entry IDs: the first is the default identity.
IDENTITIES = (
    Identity(
        "0-inference", f"spiffe://{TRUST_DOMAIN}/ns/inference/sa/worker", "inference"
    ),
    Identity("1-batch", f"spiffe://{TRUST_DOMAIN}/ns/batch/sa/worker", "batch"),
)


class Authority:
    """Started by `start()`, ended by `stop()`; both, and every method that starts
    or signals the agent, from the main thread (see `Child`)."""

    def __init__(
        self, binaries: Binaries, directory: Path, svid_ttl_seconds: int
    ) -> None:
        self._binaries = binaries
        self._directory = directory
        self._svid_ttl_seconds = svid_ttl_seconds
        self._server_socket = directory / "server.sock"
        self._agent_socket = directory / "agent.sock"
        if len(os.fsencode(self._server_socket)) > SOCKET_PATH_MAX_BYTES:
            raise SpireError(f"{directory} is too long a path for Unix sockets")
        self._serving = make_serving_certificate(directory / "tls")
        self._server_port = _ReservedPort()
        self._provider_port = _ReservedPort()
        self._tls = ssl.create_default_context(cafile=self._serving.ca)
        self._server = self._child("spire-server", binaries.server, "run", "-config")
        self._agent = self._child("spire-agent", binaries.agent, "run", "-config")
        self._provider = self._child(
            "oidc-discovery-provider", binaries.discovery_provider, "-config"
        )

    @property
    def issuer(self) -> str:
        return f"https://127.0.0.1:{self._provider_port.number}"

    @property
    def jwks_uri(self) -> str:
        return f"{self.issuer}/keys"

    @property
    def issuer_ca(self) -> Path:
        return self._serving.ca

    @property
    def endpoint_socket(self) -> str:
        return f"unix://{self._agent_socket}"

    def start(self) -> None:
        """Return when a process of this uid gets its SVIDs and their keys are out."""
        self._write_configs()
        self._server.start()
        self._server.wait_until(
            "its API answers", START_SECONDS, lambda: _accepts(self._server_socket)
        )
        node = f"spiffe://{TRUST_DOMAIN}/node"
        token = json.loads(
            self._ask_server("token", "generate", "-spiffeID", node, "-output", "json")
        )
        _private_file(self._directory / "join-token", token["value"])
        bundle = self._ask_server("bundle", "show")
        (self._directory / "bundle.pem").write_text(bundle)
        self._provider.start()
        self._register()
        self.start_agent()
        self._until_issued(True)
        self._provider.wait_until(
            "it publishes the keys", START_SECONDS, self._keys_published
        )

    def stop(self) -> None:
        for child in (self._provider, self._agent, self._server):
            # A process under SIGSTOP would not notice that it is asked to end.
            child.send(signal.SIGCONT)
            child.stop()
        self._server_port.release()
        self._provider_port.release()

    def deny(self) -> None:
        """Delete both entries; return once the agent says `no identity issued`."""
        for identity in IDENTITIES:
            self._ask_server("entry", "delete", "-entryID", identity.entry_id)
        self._until_issued(False)

    def allow(self) -> None:
        """Undo `deny`; return once the agent issues SVIDs again."""
        self._register()
        self._until_issued(True)

    def rotate_keys(self) -> None:
        """Sign with a new key from now on; the old one stays published.

        The agent goes on handing out what it has cached until half of its life.
        """
        prepared = json.loads(self._local_authority("prepare"))
        new_key = prepared["prepared_authority"]["authority_id"]
        # Published before it is used, or a verifier could meet a key it cannot find.
        until_true(
            "the new key is published",
            START_SECONDS,
            lambda: new_key in self._published_keys(),
        )
        self._local_authority("activate", "-authorityID", new_key)

    def start_agent(self) -> None:
        """Start the agent (again); the Workload API then has a new socket file."""
        if self._agent.running():
            raise SpireError("the agent is running: kill it first")
        self._agent.start()
        self._agent.wait_until(
            "the Workload API answers",
            START_SECONDS,
            lambda: _accepts(self._agent_socket),
        )

    def kill_agent(self) -> None:
        """SIGKILL: the socket file stays behind, and nobody listens."""
        self._agent.kill()

    def freeze_agent(self) -> None:
        """SIGSTOP: connecting works, and nobody answers."""
        self._agent.send(signal.SIGSTOP)

    def thaw_agent(self) -> None:
        self._agent.send(signal.SIGCONT)

    def fetch(self, spiffe_id: str, *audiences: str) -> str | None:
        """The JWT-SVID that a process of this uid gets, or None if it is denied.

        Anything else (no agent, no answer in 5 s) raises SpireError. Safe to call
        from any thread. Callers must not print what it returns.
        """
        done = subprocess.run(
            [
                *(self._binaries.agent, "api", "fetch", "jwt"),
                *("-socketPath", self._agent_socket),
                *("-spiffeID", spiffe_id, "-audience", ",".join(audiences)),
                *("-timeout", "5s", "-output", "json"),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if "PermissionDenied" in done.stderr:
            return None
        if done.returncode != 0:
            raise SpireError(f"the Workload API: {done.stderr.strip()}")
        answers = json.loads(done.stdout)
        token = answers[0]["svids"][0]["svid"]
        assert isinstance(token, str)
        return token

    def _child(self, name: str, program: Path, *arguments: str) -> Child:
        command: list[str | Path] = [program, *arguments, self._config_of(name)]
        return Child(name, command, self._directory / f"{name}.log")

    def _ask_server(self, *arguments: str) -> str:
        done = subprocess.run(
            [self._binaries.server, *arguments, "-socketPath", self._server_socket],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SpireError(f"spire-server {' '.join(arguments[:2])}: {done.stderr}")
        return done.stdout

    def _local_authority(self, verb: str, *arguments: str) -> str:
        return self._ask_server(
            "localauthority", "jwt", verb, *arguments, "-output", "json"
        )

    def _register(self) -> None:
        for identity in IDENTITIES:
            self._ask_server(
                *("entry", "create", "-entryID", identity.entry_id),
                *("-parentID", f"spiffe://{TRUST_DOMAIN}/node"),
                *("-selector", f"unix:uid:{os.getuid()}"),
                *("-spiffeID", identity.spiffe_id, "-hint", identity.hint),
                *("-jwtSVIDTTL", str(self._svid_ttl_seconds)),
            )

    def _until_issued(self, wanted: bool) -> None:
        """Entries reach the agent at its next look at the server, not at once."""
        for identity in IDENTITIES:
            until_true(
                f"{identity.spiffe_id} to be {'issued' if wanted else 'refused'}",
                START_SECONDS,
                partial(self._is_issued, identity, wanted),
            )

    def _is_issued(self, identity: Identity, wanted: bool) -> bool:
        return (self.fetch(identity.spiffe_id, _PROBE_AUDIENCE) is not None) == wanted

    def _published_keys(self) -> list[str]:
        try:
            with urllib.request.urlopen(
                self.jwks_uri, context=self._tls, timeout=5
            ) as answer:
                return [key["kid"] for key in json.load(answer)["keys"]]
        except (urllib.error.URLError, ConnectionError):
            return []

    def _keys_published(self) -> bool:
        return bool(self._published_keys())

    def _write_configs(self) -> None:
        written = {
            self._server: configs.server(
                self._directory,
                TRUST_DOMAIN,
                self._server_port.number,
                self._server_socket,
                self.issuer,
            ),
            self._agent: configs.agent(
                self._directory,
                TRUST_DOMAIN,
                self._server_port.number,
                self._agent_socket,
            ),
            self._provider: configs.discovery_provider(
                self._serving, self._provider_port.number, self._server_socket
            ),
        }
        for child, config in written.items():
            self._config_of(child.name).write_text(json.dumps(config, indent=1))

    def _config_of(self, name: str) -> Path:
        return self._directory / f"{name}.json"


class _ReservedPort:
    """A loopback TCP port that stays ours until a daemon listens on it.

    The socket is bound and never listens: others asking for any free port pass
    over it, while a daemon that names it (with SO_REUSEADDR, as Go does) gets it.
    """

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def release(self) -> None:
        self._socket.close()


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _private_file(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
