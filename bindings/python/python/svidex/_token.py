"""Tokens as Python values."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any


class TokenText(str):
    """The text of an access token, which can also be awaited.

    An SDK's async client wants a callable that returns an awaitable where its sync
    client wants one that returns a string. With this, `access_token` is right for
    both, and nobody finds out in production which of the two it was.
    """

    __slots__ = ()

    def __await__(self) -> Generator[None, None, str]:
        yield from ()
        return self

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


class Token:
    """A token with what is known about it. Its `repr` does not show the text."""

    __slots__ = ("expires_at_unix_ms", "scope", "spiffe_id", "text")

    text: str
    """A secret: what goes into the `Authorization` header after `Bearer`."""

    expires_at_unix_ms: int
    """When it ends: Unix time in milliseconds. A provider stops handing it out a
    little earlier."""

    spiffe_id: str
    """Of the JWT-SVID, or of the one that an access token was exchanged for."""

    scope: str | None
    """What came with an access token (RFC 6749 section 3.3), if anything did."""

    def __init__(
        self, text: str, expires_at_unix_ms: int, spiffe_id: str, scope: str | None = None
    ) -> None:
        for name, value in zip(
            ("text", "expires_at_unix_ms", "spiffe_id", "scope"),
            (text, expires_at_unix_ms, spiffe_id, scope),
            strict=True,
        ):
            object.__setattr__(self, name, value)

    @property
    def expires_at(self) -> float:
        """When it ends: Unix time in seconds, as `time.time()` counts them."""
        return self.expires_at_unix_ms / 1000

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a svidex.Token is immutable: {name} cannot be set")

    def __copy__(self) -> Token:
        return self

    def __deepcopy__(self, _memo: object) -> Token:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Token, (self.text, self.expires_at_unix_ms, self.spiffe_id, self.scope)

    def __repr__(self) -> str:
        return (
            f"<svidex.Token of {self.spiffe_id}, ends at {self.expires_at_unix_ms} ms, "
            f"scope {self.scope!r}>"
        )
