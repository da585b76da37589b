"""What OpenAI's SDK takes as `workload_identity`.

The SDK asks our callback for a JWT-SVID and exchanges it itself. What it does
with an exception from there differs: one of its own (`OpenAIError`) ends the
request, one of its HTTP library's is retried and then shown as
`APIConnectionError`; before 3.30 or so any other was retried too, since then it
ends the request. So a failure that time may heal is raised as the HTTP
library's, and any other as the SDK's own: each is still the `svidex` exception.
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


def workload_identity(provider: Provider) -> WorkloadIdentity:
    """The SDK's dict for this provider."""

    def get_token() -> str:
        try:
            return provider.get_token()
        except Error as error:
            raise _for_sdk(error) from None

    settings = provider._workload_identity()
    return {
        "identity_provider_id": settings["identity_provider_id"],
        "service_account_id": settings["service_account_id"],
        "provider": {"token_type": "jwt", "get_token": get_token},
        "refresh_buffer_seconds": settings["refresh_buffer_seconds"],
    }


def _for_sdk(error: Error) -> Error:
    if error.retryable:
        base, absent = _loaded("httpx2", "RequestError"), "_request"
    else:
        base, absent = _loaded("openai", "SubjectTokenProviderError"), "response"
    if base is None:
        return error
    return _with_base(type(error), base, absent)(
        str(error),
        http_status=error.http_status,
        oauth_code=error.oauth_code,
        retry_after=error.retry_after,
        retryable=error.retryable,
    )


def _loaded(module: str, name: str) -> type[Exception] | None:
    """Looked up, not imported: if the SDK is the caller, it is there."""
    return getattr(sys.modules.get(module), name, None)


_classes: dict[tuple[type[Error], type[Exception]], type[Error]] = {}


def _with_base(cls: type[Error], base: type[Exception], absent: str) -> type[Error]:
    """The class `cls` that is also a `base`."""
    if (cls, base) not in _classes:
        # `absent`: what the base's own `__init__` would have set, had it been
        # called (a built-in between the two, as in TimeoutError, prevents it).
        namespace = {absent: None, "__doc__": cls.__doc__, "__module__": cls.__module__}
        _classes[cls, base] = type(cls.__name__, (cls, base), namespace)
    return _classes[cls, base]
