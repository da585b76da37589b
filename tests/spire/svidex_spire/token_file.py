"""Keeps a JWT-SVID in a file, the way a sidecar does for programs without SPIFFE."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from pathlib import Path

from .authority import AUDIENCE, Authority
from .children import SpireError

# What a sidecar waits after a refusal or while the agent is away.
RETRY_SECONDS = 1.0


class TokenFile(threading.Thread):
    """Rewrites `path` (by rename) when half of the token's life is over.

    While nothing is issued the last token stays in place, as with a real sidecar.
    """

    def __init__(self, authority: Authority, spiffe_id: str, path: Path) -> None:
        super().__init__(name="token-file", daemon=True)
        self._authority = authority
        self._spiffe_id = spiffe_id
        self._path = path
        self._writing = threading.Lock()
        self._closing = threading.Event()
        self._replacements = 0

    def close(self) -> None:
        self._closing.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        pause = 0.0
        while not self._closing.wait(pause):
            pause = self._renew()

    def replace(self) -> None:
        """Write a JWT-SVID that differs from the one in place, now.

        The agent would repeat its cached one; a second audience, new each time,
        makes it ask the server. Raises SpireError if none is issued.
        """
        self._replacements += 1
        second_audience = f"replacement-{self._replacements}"
        token = self._authority.fetch(self._spiffe_id, AUDIENCE, second_audience)
        if token is None:
            raise SpireError("no identity issued")
        self._write(token)

    def _renew(self) -> float:
        """Write what the agent has; return the seconds until the next is due."""
        try:
            token = self._authority.fetch(self._spiffe_id, AUDIENCE)
        except SpireError:
            token = None
        if token is None:
            return RETRY_SECONDS
        self._write(token)
        issued, ends = _lifetime(token)
        # The agent repeats a token until 55 % of its life at the latest.
        due = issued + 0.55 * (ends - issued) - time.time()
        return max(due, RETRY_SECONDS)

    def _write(self, token: str) -> None:
        fresh = self._path.with_suffix(".new")
        with self._writing:
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(token)
            fresh.replace(self._path)


def _lifetime(token: str) -> tuple[float, float]:
    """`iat` and `exp` in seconds since the epoch."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return float(claims["iat"]), float(claims["exp"])
