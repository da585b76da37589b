"""A provider for unit tests: no native code, no network, no waiting.

from svidex.testing import FakeProvider

def test_that_a_request_carries_the_token():
    provider = FakeProvider()
    request = my_code(provider)
    assert request.headers["Authorization"] == "Bearer access-token-1"

def test_that_my_code_says_what_is_wrong():
    provider = FakeProvider(error=svidex.SourceUnavailableError("no agent"))
    ...
"""

from __future__ import annotations

import os
import threading
import time

from ._token import Token, TokenText

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._errors import Error

__all__ = ["FakeProvider"]

# Of all of them: a lock of its own could be neither copied nor pickled.
_lock = threading.Lock()


def _in_child() -> None:
    # A thread that the child has not may have held it.
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_in_child)


class FakeProvider:
    """Gives `subject-token-1` and `access-token-1`, and after an `invalidate` those
    with the next number. It is a `svidex.TokenProvider`, for any number of threads.
    """

    error: Error | None
    """What every call for a token raises, for as long as it is set."""

    invalidated: list[str]
    """The tokens that were held when somebody invalidated them, in order."""

    calls: int
    """How often a token was asked for."""

    def __init__(
        self,
        *,
        error: Error | None = None,
        spiffe_id: str = "spiffe://example.org/test",
        scope: str | None = None,
        lifetime_seconds: float = 300,
    ) -> None:
        self.error = error
        self.invalidated = []
        self.calls = 0
        self._spiffe_id = spiffe_id
        self._scope = scope
        self._lifetime_seconds = lifetime_seconds
        self._numbers = {"subject": 1, "access": 1}

    def get_token(self, *, timeout: float | None = None) -> str:
        return self._token("subject").text

    def access_token(self, *, timeout: float | None = None) -> str:
        return self._token("access").text

    async def get_token_async(self, *, timeout: float | None = None) -> str:
        return self.get_token()

    async def access_token_async(self, *, timeout: float | None = None) -> str:
        return self.access_token()

    def get_token_details(self, *, timeout: float | None = None) -> Token:
        return self._token("subject")

    def access_token_details(self, *, timeout: float | None = None) -> Token:
        return self._token("access")

    async def get_token_details_async(self, *, timeout: float | None = None) -> Token:
        return self.get_token_details()

    async def access_token_details_async(self, *, timeout: float | None = None) -> Token:
        return self.access_token_details()

    def invalidate(self, token: str, /) -> None:
        with _lock:
            for kind, number in self._numbers.items():
                if token == f"{kind}-token-{number}":
                    self.invalidated.append(token)
                    self._numbers[kind] = number + 1

    def __copy__(self) -> FakeProvider:
        return self

    def __deepcopy__(self, _memo: object) -> FakeProvider:
        return self

    def _token(self, kind: str) -> Token:
        with _lock:
            self.calls += 1
        if self.error is not None:
            raise self.error
        text = f"{kind}-token-{self._numbers[kind]}"
        return Token(
            TokenText(text) if kind == "access" else text,
            int((time.time() + self._lifetime_seconds) * 1000),
            self._spiffe_id,
            self._scope if kind == "access" else None,
        )
