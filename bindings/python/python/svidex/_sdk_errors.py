"""Our errors as those of the library that asked.

OpenAI's SDK ends a request on an exception of its own (`OpenAIError`), and retries
one of its HTTP library's, which it shows as `APIConnectionError` in the end. So a
failure that time may heal is raised as the HTTP library's, and any other as the
SDK's own: each of them is still the `svidex` exception.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._errors import Error

# Where the bases of a failure that time may heal are, by the library that asks:
# of a deadline, of any other.
_RETRYABLE = {
    "httpx2": ("TimeoutException", "RequestError"),
    "httpx": ("TimeoutException", "RequestError"),
    "requests": ("Timeout", "ConnectionError"),
    "aiohttp": ("ServerTimeoutError", "ClientConnectionError"),
}


def as_error_of(library: str, error: Error) -> Error:
    """The same error, such that callers of `library` (of HTTP) know what to do with it."""
    if error.retryable:
        deadline, other = _RETRYABLE[library]
        name = deadline if error.kind == "timeout" else other
    else:
        library, name = "openai", "OpenAIError"
    # Looked up, not imported: if the library is the caller, it is there.
    base: type[Exception] | None = getattr(sys.modules.get(library), name, None)
    if base is None:
        return error
    return _both(type(error), base)(
        str(error),
        http_status=error.http_status,
        oauth_code=error.oauth_code,
        retry_after=error.retry_after,
        retryable=error.retryable,
    )


_classes: dict[tuple[type[Error], type[Exception]], type[Error]] = {}


def _both(cls: type[Error], base: type[Exception]) -> type[Error]:
    """The class `cls` that is also a `base`."""
    if issubclass(cls, base):
        return cls
    if found := _classes.get((cls, base)):
        return found
    # What the initialisers of the HTTP libraries' exceptions set, if they are called
    # at all (the built-in that TimeoutError derives from calls none).
    namespace = {
        "_request": None,
        "request": None,
        "response": None,
        "__doc__": cls.__doc__,
        "__module__": cls.__module__,
    }
    if hasattr(base, "request"):
        del namespace["request"]
    try:
        both = type(cls.__name__, (cls, base), namespace)
    except TypeError:
        # Two built-ins that cannot be in one object (a connection's error number).
        return cls
    # Of two threads that come first at once, both have the one that is kept.
    return _classes.setdefault((cls, base), both)
