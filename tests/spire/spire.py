#!/usr/bin/env python3
"""Real SPIRE and the emulator's OpenAI side, as one environment for the tests.

`serve` prints one JSON line when all is up and runs until stdin closes; `run`
runs a command in that environment and ends with its status. Exit status 77 means
that SPIRE is not installed here, so nothing was tested. See README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NoReturn

from svidex_spire import (
    AUDIENCE,
    IDENTITIES,
    Authority,
    Binaries,
    BinariesMissing,
    SpireError,
)
from svidex_spire.control import ControlServer
from svidex_spire.openai_side import OpenAISide, find_emulator
from svidex_spire.token_file import TokenFile

SKIPPED = 77

Info = dict[str, object]


def main() -> int:
    options = _parse(sys.argv[1:])
    # Unwind, so that the daemons are stopped and the directory is removed.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _exit_on_signal)
    try:
        with environment(options) as (info, control):
            if options.mode == "run":
                return _run_command(options.command, info, control)
            return _serve(info, control)
    except BinariesMissing as missing:
        print(f"spire: {missing}", file=sys.stderr)
        return SKIPPED
    except (SpireError, OSError) as error:
        print(f"spire: {error}", file=sys.stderr)
        return 1


@contextmanager
def environment(options: argparse.Namespace) -> Iterator[tuple[Info, ControlServer]]:
    """Everything started, and stopped again in reverse order."""
    binaries = Binaries.find()
    emulator = find_emulator()
    with ExitStack() as cleanup:
        directory = _directory(options.dir, cleanup)
        authority = Authority(binaries, directory, options.svid_ttl_seconds)
        cleanup.callback(authority.stop)
        authority.start()

        openai = OpenAISide(emulator, directory, authority)
        cleanup.callback(openai.stop)
        info = openai.info()

        token_file = TokenFile(authority, IDENTITIES[0].spiffe_id, directory / "token")
        cleanup.callback(token_file.close)
        token_file.replace()
        token_file.start()

        control = ControlServer(authority, token_file)
        cleanup.callback(control.server_close)
        info |= {
            "authority": "spire",
            "endpoint_socket": authority.endpoint_socket,
            "issuer": authority.issuer,
            "jwks_uri": authority.jwks_uri,
            "ca_file": str(_both_cas(directory, authority, info)),
            "token_file": str(directory / "token"),
            "audience": AUDIENCE,
            "spiffe_ids": [identity.spiffe_id for identity in IDENTITIES],
            "hints": [identity.hint for identity in IDENTITIES],
            "spire_control": control.url,
        }
        yield info, control


def _serve(info: Info, control: ControlServer) -> int:
    print(json.dumps(info), flush=True)

    def watch_stdin() -> None:
        while sys.stdin.readline():
            pass

    _serve_control_until(watch_stdin, control)
    return 0


def _run_command(command: list[str], info: Info, control: ControlServer) -> int:
    settings = {
        "SPIFFE_ENDPOINT_SOCKET": info["endpoint_socket"],
        "OPENAI_IDENTITY_PROVIDER_ID": info["identity_provider_id"],
        "OPENAI_SERVICE_ACCOUNT_ID": info["service_account_id"],
        "SVIDEX_TOKEN_ENDPOINT": info["token_endpoint"],
        "OPENAI_BASE_URL": info["api_base_url"],
        "SSL_CERT_FILE": info["ca_file"],
        "NODE_EXTRA_CA_CERTS": info["ca_file"],
        "SVIDEX_EMULATOR_CONTROL": info["control"],
        "SVIDEX_EMULATOR_INFO": json.dumps(info),
    }
    variables = os.environ | {name: str(value) for name, value in settings.items()}
    variables.pop("OPENAI_API_KEY", None)
    process = subprocess.Popen(command, env=variables)

    def watch_command() -> None:
        process.wait()

    try:
        _serve_control_until(watch_command, control)
    finally:
        # Only if we are interrupted ourselves is it still running.
        if process.poll() is None:
            process.terminate()
            process.wait()
    status = process.returncode
    return status if status >= 0 else 128 - status


def _serve_control_until(ends: Callable[[], None], control: ControlServer) -> None:
    """Answer control requests on this thread until `ends` returns on another."""

    def wait() -> None:
        ends()
        control.shutdown()

    threading.Thread(target=wait, daemon=True).start()
    control.serve_forever(poll_interval=0.1)


def _directory(chosen: Path | None, cleanup: ExitStack) -> Path:
    if chosen is not None:
        chosen.mkdir(parents=True, exist_ok=True)
        if any(chosen.iterdir()):
            raise SpireError(f"{chosen} is not empty")
        return chosen.resolve()
    made = tempfile.mkdtemp(prefix="svidex-spire-")
    cleanup.callback(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def _both_cas(directory: Path, authority: Authority, info: Info) -> Path:
    """One file for clients of the OpenAI side and of the discovery provider."""
    bundle = directory / "ca.pem"
    openai_ca = Path(str(info["ca_file"]))
    bundle.write_text(openai_ca.read_text() + authority.issuer_ca.read_text())
    return bundle


def _exit_on_signal(number: int, _frame: object) -> NoReturn:
    sys.exit(128 + number)


def _parse(arguments: list[str]) -> argparse.Namespace:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--dir",
        type=Path,
        help="an empty directory for state and logs; stays (default: a temporary one)",
    )
    shared.add_argument(
        "--svid-ttl-seconds",
        type=int,
        default=60,
        help="life of a JWT-SVID (default %(default)s)",
    )
    parser = argparse.ArgumentParser(description=__doc__)
    modes = parser.add_subparsers(dest="mode", required=True)
    modes.add_parser("serve", parents=[shared])
    run = modes.add_parser("run", parents=[shared])
    run.add_argument("command", nargs="+", metavar="COMMAND")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
