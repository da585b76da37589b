"""Keeps a JWT-SVID in a file, the way a sidecar does for programs without SPIFFE."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from pathlib import Path

from .authority import Authority
from .children import SpireError

# What a sidecar waits after a refusal or while the agent is away.
RETRY_SECONDS = 1.0


class TokenFile(threading.Thread):
    """Rewrites `path` (by rename) at half life, until `close()`.

    While nothing is issued the last token stays in place, as with a real sidecar.
    """

    def __init__(self, authority: Authority, spiffe_id: str, path: Path) -> None:
        super().__init__(name="token-file", daemon=True)
        self._authority = authority
        self._spiffe_id = spiffe_id
        self._path = path
        self._closing = threading.Event()
        self._written = threading.Event()

    def start_and_wait(self, seconds: float) -> bool:
        """Whether the first token was written within `seconds`."""
        self.start()
        return self._written.wait(seconds)

    def close(self) -> None:
        self._closing.set()
        self.join()

    def run(self) -> None:
        pause = 0.0
        while not self._closing.wait(pause):
            pause = self._renew()

    def _renew(self) -> float:
        """Write one token; return the seconds until the next is due."""
        try:
            token = self._authority.fetch(self._spiffe_id)
        except SpireError:
            token = None
        if token is None:
            return RETRY_SECONDS
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token)
        fresh.replace(self._path)
        self._written.set()
        issued, ends = _lifetime(token)
        # The agent repeats a token until 55 % of its life at the latest.
        due = issued + 0.55 * (ends - issued) - time.time()
        return max(due, RETRY_SECONDS)


def _lifetime(token: str) -> tuple[float, float]:
    """`iat` and `exp` in seconds since the epoch."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return float(claims["iat"]), float(claims["exp"])
