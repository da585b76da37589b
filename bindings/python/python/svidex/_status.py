"""A snapshot of a provider, for health checks and people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

ErrorKind: TypeAlias = Literal[
    "invalid_config",
    "source_unavailable",
    "permission_denied",
    "invalid_subject_token",
    "exchange_rejected",
    "exchange_unavailable",
    "timeout",
    "cancelled",
    "closed",
    "internal",
]


@dataclass(frozen=True)
class TokenStatus:
    """A token that is held, without its text."""

    expires_at_unix_ms: int
    """When it ends: Unix time in milliseconds."""
    expires_in_seconds: float
    """What is left of its life."""
    age_seconds: float
    """How long it has been held."""


@dataclass(frozen=True)
class LastError:
    """The most recent failure."""

    kind: ErrorKind
    message: str
    at_unix_ms: int
    """When: Unix time in milliseconds."""
    http_status: int | None
    oauth_code: str | None


@dataclass(frozen=True)
class Status:
    """How a provider is doing. `dataclasses.asdict` makes it plain data."""

    source: str
    """Such as `workload_api unix:///run/spire/agent.sock` or `file /var/run/token`."""
    audience: str
    spiffe_id: str | None
    """Of the current JWT-SVID."""
    subject_token: TokenStatus | None
    """The JWT-SVID, if one is held."""
    access_token: TokenStatus | None
    """The OpenAI access token, if one is held."""
    fetches: int
    """Attempts to get a JWT-SVID that have ended, failures included."""
    fetch_failures: int
    exchanges: int
    """Attempts to exchange that have ended, failures included."""
    exchange_failures: int
    last_error: LastError | None
    """Kept after recovery: compare its time with the ages of the tokens."""
    warnings: list[str]
    """What an operator should look at, such as `OPENAI_API_KEY` being set."""
    closed: bool


def parse(text: str) -> Status:
    """Status from the core's JSON."""
    fields: dict[str, Any] = json.loads(text)
    for name, cls in _NESTED.items():
        if fields[name] is not None:
            fields[name] = cls(**fields[name])
    return Status(**fields)


_NESTED: dict[str, type[TokenStatus | LastError]] = {
    "subject_token": TokenStatus,
    "access_token": TokenStatus,
    "last_error": LastError,
}
