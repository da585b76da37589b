"""What code that needs tokens may ask of whoever has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from ._token import Token


@runtime_checkable
class TokenProvider(Protocol):
    """A `Provider`, or what stands in for one: `svidex.testing.FakeProvider` in tests.

    Annotate with this what your own code takes.
    """

    def get_token(self, *, timeout: float | None = None) -> str: ...
    def access_token(self, *, timeout: float | None = None) -> str: ...
    async def get_token_async(self, *, timeout: float | None = None) -> str: ...
    async def access_token_async(self, *, timeout: float | None = None) -> str: ...
    def get_token_details(self, *, timeout: float | None = None) -> Token: ...
    def access_token_details(self, *, timeout: float | None = None) -> Token: ...
    def invalidate(self, token: str, /) -> None: ...
