"""The native half, with what `_methods` adds to it. Use `svidex.Provider`."""

import os
from collections.abc import Sequence
from types import TracebackType
from typing import ClassVar, final

from typing_extensions import Never, Self, Unpack

from ._doctor import Report
from ._errors import Error
from ._options import Options
from ._status import ErrorKind, Status
from ._token import Token
from ._workload_identity import WorkloadIdentity

__all__ = [
    "Event",
    "EventLog",
    "Examination",
    "Mailbox",
    "Operation",
    "Provider",
    "TokenKind",
    "__version__",
    "_command",
    "_not_read",
    "_panic",
]

__version__: str

@final
class TokenKind:
    SUBJECT: ClassVar[TokenKind]
    ACCESS: ClassVar[TokenKind]

@final
class Event:
    @property
    def level(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def at_unix_ms(self) -> int: ...
    @property
    def error_kind(self) -> ErrorKind | None: ...
    @property
    def http_status(self) -> int | None: ...
    @property
    def oauth_code(self) -> str | None: ...
    @property
    def source(self) -> str: ...
    @property
    def audience(self) -> str: ...
    @property
    def dropped(self) -> int: ...

@final
class EventLog:
    def __new__(cls) -> Self: ...
    @staticmethod
    def forget() -> None: ...
    def claim(self) -> bool: ...
    def unclaim(self) -> None: ...
    def fileno(self) -> int | None: ...
    def take(self) -> Event | None: ...
    def pause(self, patience: float) -> None: ...
    def resume(self) -> None: ...
    def finish(self, patience: float) -> None: ...

@final
class Operation:
    @property
    def ticket(self) -> int: ...
    def cancel(self) -> None: ...

@final
class Examination:
    @staticmethod
    def begin(
        provider: Provider | None,
        jwks_file: str | os.PathLike[str] | None,
        admin_key_env: str | None,
        options: Options | None,
        /,
    ) -> Examination: ...
    def poll(self) -> tuple[str, str] | None: ...

@final
class Mailbox:
    def __new__(cls) -> Self: ...
    def fileno(self) -> int: ...
    def collect(self) -> list[tuple[int, str | Error]]: ...

@final
class Provider:
    """Holds a workload's JWT-SVID and its OpenAI access token.

    Each token is fetched when it is first asked for and then refreshed in the
    background, so that a call only waits when there is nothing usable yet. All
    methods may be called from any thread and any event loop. A forked child
    may go on using the provider. An idle provider keeps no process alive.

    `Provider(...)` takes explicit values alone; `Provider.from_env(...)` fills
    what is left out from the environment. For the keyword arguments see
    `svidex.Options`. A wrong value raises `svidex.InvalidConfigError`.

    Closing it (`close()`, `with`, `async with`) is optional.

    What happens in the background is logged by `logging.getLogger("svidex")`, in
    a program that imports `logging`.
    """

    def __new__(cls, **options: Unpack[Options]) -> Self: ...
    @staticmethod
    def from_env(**overrides: Unpack[Options]) -> Provider:
        """Makes a provider from the environment, which is read once, now.

        An explicit value beats the environment; an explicit source silences
        both source variables.
        """

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

    async def get_token_async(self, *, timeout: float | None = None) -> str:
        """Like `get_token`, for an event loop; returns at once if it can.

        Cancelling the task gives up this call alone.
        """

    async def access_token_async(self, *, timeout: float | None = None) -> str:
        """Like `access_token`, for an event loop; returns at once if it can.

        Cancelling the task gives up this call alone.
        """

    def get_token_details(self, *, timeout: float | None = None) -> Token:
        """What `get_token` returns, with its end and its SPIFFE ID."""

    def access_token_details(self, *, timeout: float | None = None) -> Token:
        """What `access_token` returns, with its end, its SPIFFE ID and its scope."""

    async def get_token_details_async(self, *, timeout: float | None = None) -> Token:
        """Like `get_token_details`, for an event loop."""

    async def access_token_details_async(self, *, timeout: float | None = None) -> Token:
        """Like `access_token_details`, for an event loop."""

    def workload_identity(self) -> WorkloadIdentity:
        """The dict for `OpenAI(workload_identity=...)`, sync or async.

        The SDK then exchanges the JWT-SVID itself, with the provider and
        service account of this one's settings, at its own fixed endpoint.
        Raises `svidex.InvalidConfigError` if the two IDs are not set.
        """

    def status(self) -> Status:
        """A snapshot for health checks and people. Never blocks."""

    def doctor(
        self,
        *,
        jwks_file: str | os.PathLike[str] | None = None,
        admin_key_env: str | None = None,
    ) -> Report:
        """`svidex.doctor` for this provider, with the settings that it was made with.

        The provider is not disturbed: the examination fetches and exchanges for itself.
        """

    async def doctor_async(
        self,
        *,
        jwks_file: str | os.PathLike[str] | None = None,
        admin_key_env: str | None = None,
    ) -> Report:
        """Like `doctor`, for an event loop. Cancelling the task ends the examination."""

    def invalidate(self, token: str, /) -> None:
        """Drops whichever of the two tokens this is, so that the next call gets
        another; does nothing if it is neither. For a token that a server
        refused before its end.
        """

    def close(self) -> None:
        """Ends pending calls with `svidex.ClosedError`, drops the tokens, and makes
        every later call fail. Never waits; may be called again.
        """

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
    def __copy__(self) -> Self: ...
    def __deepcopy__(self, memo: object, /) -> Self: ...
    def _cached(self, kind: TokenKind, /) -> str | None: ...
    def _details(self, kind: TokenKind, /) -> tuple[str, int, str, str | None] | None: ...
    @property
    def _call_timeout_seconds(self) -> float: ...
    def _start(
        self, kind: TokenKind, mailbox: Mailbox, timeout: float | None, /
    ) -> Operation: ...
    def __reduce__(self) -> Never: ...

def _command(arguments: Sequence[str], /) -> int: ...
def _not_read(error: OSError, /) -> Error: ...
def _panic() -> None: ...
