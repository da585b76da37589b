"""The provider."""

from __future__ import annotations

from . import _svidex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self, Unpack

    from ._options import Options
    from ._status import Status
    from ._workload_identity import WorkloadIdentity

_SUBJECT = _svidex.TokenKind.SUBJECT
_ACCESS = _svidex.TokenKind.ACCESS


class Provider(_svidex.Provider):
    """Holds a workload's JWT-SVID and its OpenAI access token.

    Each token is fetched when it is first asked for and then refreshed in the
    background, so that a call only waits when there is nothing usable yet. All
    methods may be called from any thread and any event loop. A forked child
    may go on using the provider. An idle provider keeps no process alive.

    `Provider(...)` takes explicit values alone; `Provider.from_env(...)` fills
    what is left out from the environment. For the keyword arguments see
    `svidex.Options`. A wrong value raises `svidex.InvalidConfigError`.

    Closing it (`close()`, `with`, `async with`) is optional.
    """

    __slots__ = ()

    def __new__(cls, **options: Unpack[Options]) -> Self:
        return super().__new__(cls, False, **options)

    @classmethod
    def from_env(cls, **overrides: Unpack[Options]) -> Self:
        """Makes a provider from the environment, which is read once, now.

        An explicit value beats the environment; an explicit source silences
        both source variables.
        """
        return super().__new__(cls, True, **overrides)

    async def get_token_async(self, *, timeout: float | None = None) -> str:
        """Like `get_token`, for an event loop; returns at once if it can.

        Cancelling the task gives up this call alone.
        """
        return self._cached(_SUBJECT) or await self._wait(_SUBJECT, timeout)

    async def access_token_async(self, *, timeout: float | None = None) -> str:
        """Like `access_token`, for an event loop; returns at once if it can.

        Cancelling the task gives up this call alone.
        """
        return self._cached(_ACCESS) or await self._wait(_ACCESS, timeout)

    async def _wait(self, kind: _svidex.TokenKind, timeout: float | None) -> str:
        from ._event_loop import wait_for_token

        return await wait_for_token(self, kind, timeout)

    def workload_identity(self) -> WorkloadIdentity:
        """The dict for `OpenAI(workload_identity=...)`, sync or async.

        The SDK then exchanges the JWT-SVID itself, with the provider and
        service account of this one's settings, at its own fixed endpoint.
        Raises `svidex.InvalidConfigError` if the two IDs are not set.
        """
        from ._workload_identity import workload_identity

        return workload_identity(self)

    def status(self) -> Status:
        """A snapshot for health checks and people. Never blocks."""
        from ._status import parse

        return parse(self._status())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        status = self.status()
        state = "closed" if status.closed else status.spiffe_id or "no SVID yet"
        return f"<svidex.Provider {status.source} audience={status.audience!r} ({state})>"
