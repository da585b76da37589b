"""What OpenAI's SDK takes as `workload_identity`.

The SDK asks our callback for a JWT-SVID and exchanges it itself. An exception of
its own (`OpenAIError`) from there ends the request; one of its HTTP library's is
retried, and shown as `APIConnectionError` in the end; any other was retried too
by its first 3.x releases, and ends the request since. So a failure that time may
heal is raised as the HTTP library's, and any other as the SDK's own: each of
them is still the `svidex` exception.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypedDict

from ._errors import Error

if TYPE_CHECKING:
    from ._svidex import Provider


class SubjectTokenProvider(TypedDict):
    """The callback, as the SDK's type of the same name has it."""

    token_type: Literal["jwt", "id"]
    get_token: Callable[[], str]


class _Required(TypedDict):
    identity_provider_id: str
    service_account_id: str
    provider: SubjectTokenProvider


class WorkloadIdentity(_Required, total=False):
    """For `OpenAI(workload_identity=...)` and `AsyncOpenAI(workload_identity=...)`."""

    refresh_buffer_seconds: float


def workload_identity(
    provider: Provider,
    identity_provider_id: str,
    service_account_id: str,
    refresh_buffer_seconds: float,
) -> WorkloadIdentity:
    """The SDK's dict for this provider."""

    def get_token() -> str:
        try:
            return provider.get_token()
        except Error as error:
            raise _for_sdk(error) from None

    return {
        "identity_provider_id": identity_provider_id,
        "service_account_id": service_account_id,
        "provider": {"token_type": "jwt", "get_token": get_token},
        "refresh_buffer_seconds": refresh_buffer_seconds,
    }


def _for_sdk(error: Error) -> Error:
    # Looked up, not imported: if the SDK is the caller, both are there.
    module, name = ("httpx2", "RequestError") if error.retryable else ("openai", "OpenAIError")
    base: type[Exception] | None = getattr(sys.modules.get(module), name, None)
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
    if (cls, base) not in _classes:
        # `_request`: what httpx2's `__init__` sets, if it is called at all (the
        # built-in that TimeoutError derives from calls no further one).
        namespace = {"_request": None, "__doc__": cls.__doc__, "__module__": cls.__module__}
        _classes[cls, base] = type(cls.__name__, (cls, base), namespace)
    return _classes[cls, base]
