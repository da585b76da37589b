"""The coroutines of `Provider`, which is a native class otherwise.

They are functions of Python so that frameworks that look for coroutine
functions find some. Installed, rather than inherited, because a native method
is called faster on an object of its very class.
"""

from __future__ import annotations

from ._svidex import Provider, TokenKind, _not_read

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType


async def get_token_async(self: Provider, *, timeout: float | None = None) -> str:
    """Like `get_token`, for an event loop; returns at once if it can.

    Cancelling the task gives up this call alone.
    """
    return self._cached(_SUBJECT) or await _wait(self, _SUBJECT, timeout)


async def access_token_async(self: Provider, *, timeout: float | None = None) -> str:
    """Like `access_token`, for an event loop; returns at once if it can.

    Cancelling the task gives up this call alone.
    """
    return self._cached(_ACCESS) or await _wait(self, _ACCESS, timeout)


async def __aenter__(self: Provider) -> Provider:  # noqa: N807 (a method)
    return self


async def __aexit__(  # noqa: N807 (a method)
    self: Provider,
    exc_type: type[BaseException] | None,
    exc: BaseException | None,
    traceback: TracebackType | None,
) -> None:
    self.close()


async def _wait(provider: Provider, kind: TokenKind, timeout: float | None) -> str:
    # Here, because it imports asyncio.
    try:
        from ._event_loop import wait_for_token
    except OSError as error:
        raise _not_read(error) from error

    return await wait_for_token(provider, kind, timeout)


_SUBJECT = TokenKind.SUBJECT
_ACCESS = TokenKind.ACCESS

for _method in (get_token_async, access_token_async, __aenter__, __aexit__):
    _method.__module__ = "svidex"
    _method.__qualname__ = f"Provider.{_method.__name__}"
    setattr(Provider, _method.__name__, _method)
