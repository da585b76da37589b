"""The native half: what `Provider` is made of. Use `svidex.Provider`."""

from typing import ClassVar, TypedDict, final

from typing_extensions import Never, Self, Unpack, disjoint_base

from ._errors import Error
from ._options import Options

__all__ = ["Mailbox", "Operation", "Provider", "TokenKind", "__version__", "_panic"]

__version__: str

class _WorkloadIdentitySettings(TypedDict):
    identity_provider_id: str
    service_account_id: str
    refresh_buffer_seconds: float

@final
class TokenKind:
    SUBJECT: ClassVar[TokenKind]
    ACCESS: ClassVar[TokenKind]

@final
class Operation:
    @property
    def ticket(self) -> int: ...
    def cancel(self) -> None: ...

@final
class Mailbox:
    def __new__(cls) -> Self: ...
    def fileno(self) -> int: ...
    def collect(self) -> list[tuple[int, str | Error]]: ...

@disjoint_base
class Provider:
    def __new__(cls, from_env: bool, /, **options: Unpack[Options]) -> Self: ...
    def get_token(self, *, timeout: float | None = None) -> str:
        """A JWT-SVID with life left: from memory, else after a fetch.

        Blocks with the GIL released, at most `timeout` seconds (default:
        `call_timeout_seconds`); 0 starts the fetch and does not wait.
        Raises `svidex.Error`.
        """

    def access_token(self, *, timeout: float | None = None) -> str:
        """An OpenAI access token with life left: from memory, else after a fetch
        and an exchange.

        Blocks with the GIL released, at most `timeout` seconds (default:
        `call_timeout_seconds`); 0 starts the exchange and does not wait.
        Raises `svidex.Error`.
        """

    def invalidate(self, token: str, /) -> None:
        """Drops whichever of the two tokens this is, so that the next call gets
        another; does nothing if it is neither. For a token that a server
        refused before its end.
        """

    def close(self) -> None:
        """Ends pending calls with `svidex.ClosedError`, drops the tokens, and makes
        every later call fail. Never waits; may be called again.
        """

    def _cached(self, kind: TokenKind, /) -> str | None: ...
    def _start(
        self, kind: TokenKind, mailbox: Mailbox, timeout: float | None, /
    ) -> Operation: ...
    def _status(self) -> str: ...
    def _workload_identity(self) -> _WorkloadIdentitySettings: ...
    def __reduce__(self) -> Never: ...

def _panic() -> None: ...
