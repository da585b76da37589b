"""Traces of OpenAI's Agents SDK, sent with access tokens of ours.

    import agents
    from agents.tracing.processors import BatchTraceProcessor

    agents.set_default_openai_client(svidex.openai.AsyncOpenAI(provider), use_for_tracing=False)
    agents.set_trace_processors([BatchTraceProcessor(svidex.agents.TraceExporter(provider))])

The SDK's own exporter copies a key once, when a client is made the default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from agents.tracing.processors import BackendSpanExporter

from ._http import auth

if TYPE_CHECKING:
    from ._protocol import TokenProvider

__all__ = ["TraceExporter"]

# The exporter wants a key before it sends anything. It never leaves: the client puts
# a token in its place, or takes it away.
_MARKER = "svidex"


class TraceExporter(BackendSpanExporter):
    """`BackendSpanExporter` with the access tokens of a `svidex.Provider` (default:
    `svidex.default_provider()`), each export with the one that is good then. Takes by
    name what that takes beside a key.

    Exports that find no token are retried by the exporter's rules, as those that find
    no network are.
    """

    def __init__(self, provider: TokenProvider | None = None, /, **options: Any) -> None:
        super().__init__(**options)
        scheme, _, rest = self.endpoint.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}"
        self._client.auth = auth(provider, hosts=[origin])
        self._client.event_hooks["request"].append(_without_marker)

    @property
    def api_key(self) -> str:
        return _MARKER

    @api_key.setter
    def api_key(self, _api_key: str | None) -> None:
        """What the SDK would have it use instead is not used."""

    def set_api_key(self, api_key: str) -> None:
        """Does nothing: see the class."""


def _without_marker(request: Any) -> None:
    if request.headers.get("Authorization") == f"Bearer {_MARKER}":
        del request.headers["Authorization"]
