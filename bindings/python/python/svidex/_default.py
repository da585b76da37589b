"""The provider that nobody made: for hooks that name a function by its dotted path."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._protocol import TokenProvider
    from ._svidex import Provider
    from ._token import Token

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
        _made.pop("default", None)
        provider = None
    if provider is None:
        from ._methods import Provider

        provider = _made.setdefault("default", Provider.from_env())
    return provider


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
    return default_provider().get_token(timeout=timeout)


def access_token(*, timeout: float | None = None) -> str:
    """`Provider.access_token` of the process's `default_provider()`."""
    return default_provider().access_token(timeout=timeout)


async def get_token_async(*, timeout: float | None = None) -> str:
    """`Provider.get_token_async` of the process's `default_provider()`."""
    return await default_provider().get_token_async(timeout=timeout)


async def access_token_async(*, timeout: float | None = None) -> str:
    """`Provider.access_token_async` of the process's `default_provider()`."""
    return await default_provider().access_token_async(timeout=timeout)


def get_token_details(*, timeout: float | None = None) -> Token:
    """`Provider.get_token_details` of the process's `default_provider()`."""
    return default_provider().get_token_details(timeout=timeout)


def access_token_details(*, timeout: float | None = None) -> Token:
    """`Provider.access_token_details` of the process's `default_provider()`."""
    return default_provider().access_token_details(timeout=timeout)
