"""One exception class for each kind of error, the same kinds in every language."""

from __future__ import annotations

import builtins

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from ._status import ErrorKind


class Error(Exception):
    """Any error of svidex. Its text says what failed, where, and what to do next.

    It never holds token text.
    """

    kind: ClassVar[ErrorKind]

    http_status: int | None
    """The HTTP status of the token endpoint's answer, if there was one."""

    oauth_code: str | None
    """The OAuth `error` code of the token endpoint's answer (RFC 6749 section 5.2)."""

    retry_after: float | None
    """Seconds for which the token endpoint asked to be left alone."""

    retryable: bool
    """Whether the same call may succeed later with nothing changed."""

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        oauth_code: str | None = None,
        retry_after: float | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.oauth_code = oauth_code
        self.retry_after = retry_after
        self.retryable = retryable

    def __reduce__(self) -> tuple[Any, ...]:
        # By kind: a class made for an SDK (see _workload_identity) has no name
        # that another process could import.
        details = (self.http_status, self.oauth_code, self.retry_after, self.retryable)
        return make, (self.kind, str(self), *details)


class InvalidConfigError(Error, ValueError):
    """A setting is missing or has a wrong value. The message names it."""

    kind: ClassVar[ErrorKind] = "invalid_config"


class SourceUnavailableError(Error):
    """The Workload API or the token file could not be reached or read."""

    kind: ClassVar[ErrorKind] = "source_unavailable"


class PermissionDeniedError(Error):
    """The Workload API issues no identity to this process: it is not registered."""

    kind: ClassVar[ErrorKind] = "permission_denied"


class InvalidSubjectTokenError(Error):
    """The source answered, but not with a usable JWT-SVID."""

    kind: ClassVar[ErrorKind] = "invalid_subject_token"


class ExchangeRejectedError(Error):
    """The token endpoint refused the exchange: see `oauth_code`."""

    kind: ClassVar[ErrorKind] = "exchange_rejected"


class ExchangeUnavailableError(Error):
    """The token endpoint could not be reached, or could not answer."""

    kind: ClassVar[ErrorKind] = "exchange_unavailable"


class TimeoutError(Error, builtins.TimeoutError):  # noqa: A001 (it is one)
    """The deadline passed before any attempt had ended."""

    kind: ClassVar[ErrorKind] = "timeout"


class CancelledError(Error):
    """The call was cancelled.

    A cancelled asyncio task sees `asyncio.CancelledError` as always, not this.
    """

    kind: ClassVar[ErrorKind] = "cancelled"


class ClosedError(Error):
    """The provider was closed."""

    kind: ClassVar[ErrorKind] = "closed"


class InternalError(Error):
    """A defect in svidex."""

    kind: ClassVar[ErrorKind] = "internal"


_BY_KIND: dict[str, type[Error]] = {
    cls.kind: cls
    for cls in (
        InvalidConfigError,
        SourceUnavailableError,
        PermissionDeniedError,
        InvalidSubjectTokenError,
        ExchangeRejectedError,
        ExchangeUnavailableError,
        TimeoutError,
        CancelledError,
        ClosedError,
        InternalError,
    )
}

# In a traceback they have the names by which a program catches them.
for _class in (Error, *_BY_KIND.values()):
    _class.__module__ = "svidex"


def make(
    kind: str,
    message: str,
    http_status: int | None,
    oauth_code: str | None,
    retry_after: float | None,
    retryable: bool,
) -> Error:
    """The exception for an error of the core."""
    return _BY_KIND[kind](
        message,
        http_status=http_status,
        oauth_code=oauth_code,
        retry_after=retry_after,
        retryable=retryable,
    )
