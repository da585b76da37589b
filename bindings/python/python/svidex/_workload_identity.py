"""What OpenAI's SDK takes as `workload_identity`.

The SDK asks our callback for a JWT-SVID and exchanges it itself. What becomes of a
failure there is in `_sdk_errors`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from ._errors import Error
from ._sdk_errors import as_error_of
from ._typed_dict import TypedDict

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
            library = "httpx2" if "httpx2" in sys.modules else "httpx"
            raise as_error_of(library, error) from None

    return {
        "identity_provider_id": identity_provider_id,
        "service_account_id": service_account_id,
        "provider": {"token_type": "jwt", "get_token": get_token},
        "refresh_buffer_seconds": refresh_buffer_seconds,
    }
