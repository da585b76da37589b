"""OpenAI API credentials for workloads that hold a SPIFFE identity.

    import svidex
    from openai import OpenAI

    provider = svidex.Provider.from_env()
    client = OpenAI(workload_identity=provider.workload_identity())

The provider holds a JWT-SVID and an OpenAI access token, and refreshes both in
the background. See `Provider`.
"""

from __future__ import annotations

from . import _coroutines as _coroutines  # what it installs
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
from ._svidex import Provider, __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._options import Options
    from ._status import ErrorKind, LastError, Status, TokenStatus
    from ._workload_identity import SubjectTokenProvider, WorkloadIdentity

__all__ = [
    "CancelledError",
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
    "SourceUnavailableError",
    "Status",
    "SubjectTokenProvider",
    "TimeoutError",
    "TokenStatus",
    "WorkloadIdentity",
    "__version__",
]

# `typing` and `dataclasses` take ten times as long to import as the rest of this
# package; whoever only wants a token need not wait for them.
_LAZY = {
    "ErrorKind": "_status",
    "LastError": "_status",
    "Options": "_options",
    "Status": "_status",
    "SubjectTokenProvider": "_workload_identity",
    "TokenStatus": "_status",
    "WorkloadIdentity": "_workload_identity",
}


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
