"""What `Provider`, which is a native class otherwise, has from Python.

Its coroutines are functions of Python so that frameworks that look for coroutine
functions find some. Installed, rather than inherited, because a native method
is called faster on an object of its very class.
"""

from __future__ import annotations

from ._token import Token

try:
    from ._svidex import Provider, TokenKind, __version__, _not_read
except ImportError as error:
    # The interpreter's own refusal, of one that shares no GIL, comes before ours.
    if "subinterpreters" not in str(error):
        raise
    raise ImportError(
        "svidex works in the main interpreter of a process only, and this is a "
        "subinterpreter (of concurrent.interpreters, or an InterpreterPoolExecutor's): use "
        "threads or processes"
    ) from error

__all__ = ["Provider", "__version__"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from os import PathLike
    from types import TracebackType

    from ._doctor import Report


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


def get_token_details(self: Provider, *, timeout: float | None = None) -> Token:
    """What `get_token` returns, with its end and its SPIFFE ID."""
    return _details(self, _SUBJECT) or _details_of(self, _SUBJECT, timeout)


def access_token_details(self: Provider, *, timeout: float | None = None) -> Token:
    """What `access_token` returns, with its end, its SPIFFE ID and its scope."""
    return _details(self, _ACCESS) or _details_of(self, _ACCESS, timeout)


async def get_token_details_async(self: Provider, *, timeout: float | None = None) -> Token:
    """Like `get_token_details`, for an event loop."""
    return _details(self, _SUBJECT) or await _details_of_async(self, _SUBJECT, timeout)


async def access_token_details_async(self: Provider, *, timeout: float | None = None) -> Token:
    """Like `access_token_details`, for an event loop."""
    return _details(self, _ACCESS) or await _details_of_async(self, _ACCESS, timeout)


def doctor(
    self: Provider,
    *,
    jwks_file: str | PathLike[str] | None = None,
    admin_key_env: str | None = None,
) -> Report:
    """`svidex.doctor` for this provider, with the settings that it was made with.

    The provider is not disturbed: the examination fetches and exchanges for itself.
    """
    from ._doctor import _examine

    return _examine(self, jwks_file, admin_key_env, None)


async def doctor_async(
    self: Provider,
    *,
    jwks_file: str | PathLike[str] | None = None,
    admin_key_env: str | None = None,
) -> Report:
    """Like `doctor`, for an event loop. Cancelling the task ends the examination."""
    from ._doctor import _examine_async

    return await _examine_async(self, jwks_file, admin_key_env, None)


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


def _details(provider: Provider, kind: TokenKind) -> Token | None:
    details = provider._details(kind)
    return Token(*details) if details else None


def _details_of(provider: Provider, kind: TokenKind, timeout: float | None) -> Token:
    get = provider.access_token if kind == _ACCESS else provider.get_token
    while True:
        get(timeout=timeout)
        # Nothing only if the token was dropped between the two calls.
        if details := _details(provider, kind):
            return details


async def _details_of_async(
    provider: Provider, kind: TokenKind, timeout: float | None
) -> Token:
    while True:
        await _wait(provider, kind, timeout)
        if details := _details(provider, kind):
            return details


_SUBJECT = TokenKind.SUBJECT
_ACCESS = TokenKind.ACCESS

for _method in (
    get_token_async,
    access_token_async,
    get_token_details,
    access_token_details,
    get_token_details_async,
    access_token_details_async,
    doctor,
    doctor_async,
    __aenter__,
    __aexit__,
):
    _method.__module__ = "svidex"
    _method.__qualname__ = f"Provider.{_method.__name__}"
    setattr(Provider, _method.__name__, _method)
