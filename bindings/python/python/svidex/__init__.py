"""OpenAI API credentials for workloads that hold a SPIFFE identity.

    import svidex
    from svidex.openai import OpenAI

    provider = svidex.Provider.from_env()
    client = OpenAI(provider)

The provider holds a JWT-SVID and an OpenAI access token, and refreshes both in
the background. See `Provider`.
"""

from __future__ import annotations

from ._errors import (
    CancelledError,
    ClosedError,
    Error,
    ExchangeRejectedError,
    ExchangeUnavailableError,
    InternalError,
    InvalidConfigError,
    InvalidSubjectTokenError,
    PermissionDeniedError,
    SourceUnavailableError,
    TimeoutError,  # noqa: A004 (it is one: it derives from the built-in)
)
from ._token import Token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._default import (
        access_token,
        access_token_async,
        access_token_details,
        default_provider,
        get_token,
        get_token_async,
        get_token_details,
    )
    from ._doctor import Check, Report, doctor, doctor_async
    from ._http import auth
    from ._options import Options
    from ._protocol import TokenProvider
    from ._status import ErrorKind, LastError, Status, TokenStatus
    from ._svidex import Provider, __version__
    from ._workload_identity import SubjectTokenProvider, WorkloadIdentity

__all__ = [
    "CancelledError",
    "Check",
    "ClosedError",
    "Error",
    "ErrorKind",
    "ExchangeRejectedError",
    "ExchangeUnavailableError",
    "InternalError",
    "InvalidConfigError",
    "InvalidSubjectTokenError",
    "LastError",
    "Options",
    "PermissionDeniedError",
    "Provider",
    "Report",
    "SourceUnavailableError",
    "Status",
    "SubjectTokenProvider",
    "TimeoutError",
    "Token",
    "TokenProvider",
    "TokenStatus",
    "WorkloadIdentity",
    "__version__",
    "access_token",
    "access_token_async",
    "access_token_details",
    "auth",
    "default_provider",
    "doctor",
    "doctor_async",
    "get_token",
    "get_token_async",
    "get_token_details",
]

# `typing` and `dataclasses` take ten times as long to import as the rest of this
# package; whoever only wants a token need not wait for them. And whoever tests with
# `svidex.testing` needs nothing native.
_LAZY = {
    "Check": "_doctor",
    "ErrorKind": "_status",
    "LastError": "_status",
    "Options": "_options",
    "Provider": "_methods",
    "Report": "_doctor",
    "Status": "_status",
    "SubjectTokenProvider": "_workload_identity",
    "TokenProvider": "_protocol",
    "TokenStatus": "_status",
    "WorkloadIdentity": "_workload_identity",
    "__version__": "_methods",
    "access_token": "_default",
    "access_token_async": "_default",
    "access_token_details": "_default",
    "auth": "_http",
    "default_provider": "_default",
    "doctor": "_doctor",
    "doctor_async": "_doctor",
    "get_token": "_default",
    "get_token_async": "_default",
    "get_token_details": "_default",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # `importlib` would be a good part of what a first token takes.
    module = __import__(f"{__name__}.{_LAZY[name]}", fromlist=(name,))
    value: object = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
