"""The provider that nobody made: for hooks that name a function by its dotted path."""

from __future__ import annotations

from ._errors import ClosedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import TypeVar

    from ._protocol import TokenProvider
    from ._svidex import Provider
    from ._token import Token

    T = TypeVar("T")

# No lock: a forked child could inherit it locked. Of two threads that come first
# at once, one provider is kept, and the other has not fetched anything yet.
_made: dict[str, Provider] = {}


def default_provider() -> Provider:
    """The process's own provider, made from the environment on first use.

    Forked children go on with it. Once somebody closed it, the next call makes another.
    What is wrong with the environment is raised, and the next call looks again.
    """
    provider = _made.get("default")
    if provider is not None and provider.status().closed:
        # Not the successor that another thread may have put there.
        if _made.get("default") is provider:
            del _made["default"]
        provider = None
    if provider is None:
        from ._methods import Provider

        provider = _made.setdefault("default", Provider.from_env())
    return provider


def _ask(call: Callable[[Provider], T]) -> T:
    """As quick as a provider's own method, where there is one and nobody closed it."""
    try:
        return call(_made.get("default") or default_provider())
    except ClosedError:
        return call(default_provider())


async def _ask_async(call: Callable[[Provider], Awaitable[T]]) -> T:
    try:
        return await call(_made.get("default") or default_provider())
    except ClosedError:
        return await call(default_provider())


def given_or_default(provider: TokenProvider | None, call: str) -> TokenProvider:
    """What `call` (as users write it) was given as its provider."""
    if provider is None:
        return default_provider()
    if isinstance(provider, type) or not hasattr(provider, "access_token"):
        kind = provider if isinstance(provider, type) else type(provider)
        what = "the class" if isinstance(provider, type) else "a"
        raise TypeError(f"{call} takes a svidex.Provider, not {what} {kind.__name__}")
    return provider


def get_token(*, timeout: float | None = None) -> str:
    """`Provider.get_token` of the process's `default_provider()`."""
    return _ask(lambda it: it.get_token(timeout=timeout))


def access_token(*, timeout: float | None = None) -> str:
    """`Provider.access_token` of the process's `default_provider()`."""
    return _ask(lambda it: it.access_token(timeout=timeout))


async def get_token_async(*, timeout: float | None = None) -> str:
    """`Provider.get_token_async` of the process's `default_provider()`."""
    return await _ask_async(lambda it: it.get_token_async(timeout=timeout))


async def access_token_async(*, timeout: float | None = None) -> str:
    """`Provider.access_token_async` of the process's `default_provider()`."""
    return await _ask_async(lambda it: it.access_token_async(timeout=timeout))


def get_token_details(*, timeout: float | None = None) -> Token:
    """`Provider.get_token_details` of the process's `default_provider()`."""
    return _ask(lambda it: it.get_token_details(timeout=timeout))


def access_token_details(*, timeout: float | None = None) -> Token:
    """`Provider.access_token_details` of the process's `default_provider()`."""
    return _ask(lambda it: it.access_token_details(timeout=timeout))
