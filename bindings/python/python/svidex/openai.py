"""OpenAI's SDK with access tokens of ours.

    from svidex.openai import OpenAI, AsyncOpenAI

    client = OpenAI(provider)

They are the SDK's own classes in all else, and take what those take: `base_url`,
`timeout`, `max_retries`, `http_client`, `with_options`, sockets. The token is
renewed in the background. A request that is answered 401 is sent once more with a
new one. A failure to get one is an `openai.OpenAIError` with ours as its cause,
retried before by the SDK's rules if time may heal it.
"""

from __future__ import annotations

import errno
from functools import cached_property
from typing import TYPE_CHECKING, Any

import openai as _openai

from ._default import given_or_default
from ._errors import Error, InvalidConfigError
from ._hosts import Hosts, origin
from ._http import UNAUTHORIZED, Attempt
from ._sdk_errors import as_error_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typing_extensions import Self

    from ._protocol import TokenProvider

__all__ = ["AsyncOpenAI", "OpenAI"]

if not hasattr(_openai.OpenAI, "_bearer_auth"):
    raise ImportError(
        f"svidex.openai needs openai 2.40 or later, and this is {_openai.__version__}"
    )

# Stands in the header until the request is sent: each attempt has a token of its own.
_PLACEHOLDER = "Bearer svidex"

_OPENAI_HOSTS = Hosts()

# Those of a resource that have sockets of their own.
_WITH_SOCKETS = ("translations", "sideband", "forks", "responses")


def _resource(name: str) -> cached_property[Any]:
    """A resource of the SDK's, with its sockets' handshakes by us."""
    return cached_property(lambda client: client._watched(client._made(name)))


class _Ours:
    """What both clients have in common."""

    # None in a copy that was given other credentials (`with_options`).
    _tokens: TokenProvider | None
    # Which of the provider's methods the SDK's class wants as its key.
    _key: str

    def __init__(self, provider: TokenProvider | None = None, /, **options: Any) -> None:
        tokens = self._settle(provider, options)
        if tokens is not None:
            # For whoever asks the client for its key: sockets, and frameworks.
            options["api_key"] = getattr(tokens, self._key)
        super().__init__(**options)

    # Those of the SDK, and of its types.
    if not TYPE_CHECKING:

        def copy(self, **changes: Any) -> Self:
            return super().copy(**self._for_copy(changes))

        with_options = copy

        responses = _resource("responses")
        realtime = _resource("realtime")
        live = _resource("live")
        beta = _resource("beta")

    def _settle(
        self, provider: TokenProvider | None, options: dict[str, Any]
    ) -> TokenProvider | None:
        """Whose tokens a new client uses, which its copies do too."""
        if "_tokens" in options:
            self._tokens = options.pop("_tokens")
            return self._tokens
        for name in ("api_key", "workload_identity", "provider"):
            if options.get(name) is not None:
                raise InvalidConfigError(
                    f"{name} and svidex exclude each other: leave {name} out (a "
                    "svidex.Provider goes first, without a name), or use the class of "
                    "openai itself"
                )
        self._tokens = given_or_default(provider, f"{type(self).__name__}(provider)")
        return self._tokens

    def __deepcopy__(self, _memo: object) -> Self:
        # Frameworks copy the settings that a client is among; the SDK's own cannot be.
        return self

    def _for_copy(self, changes: dict[str, Any]) -> dict[str, Any]:
        credentials = (changes.get(name) for name in ("api_key", "workload_identity"))
        others = any(value is not None for value in credentials) or "provider" in changes
        extra = {"_tokens": None if others else self._tokens}
        return {**changes, "_extra_kwargs": {**changes.get("_extra_kwargs", {}), **extra}}

    @property
    def _bearer_auth(self) -> dict[str, str]:
        if self._tokens is None:
            headers: dict[str, str] = super()._bearer_auth  # type: ignore[misc]
            return headers
        return {"Authorization": _PLACEHOLDER}

    def _attempt(self, request: Any) -> Attempt | None:
        """For a request that is to have a token: not for one with a header of the
        caller's own, and not for one to a foreign host.
        """
        sent = request.headers.get_list("Authorization")
        if self._tokens is None or _PLACEHOLDER not in sent:
            return None
        if own := [value for value in sent if value != _PLACEHOLDER]:
            # Version 2 of the SDK sends one whose name has other capitals beside its own.
            request.headers["Authorization"] = own[-1]
            return None
        sdk: Any = self
        url, base = request.url, sdk.base_url
        to = origin(url.scheme, url.host, url.port)
        if to != origin(base.scheme, base.host, base.port) and to not in _OPENAI_HOSTS:
            del request.headers["Authorization"]
            return None
        return Attempt(request, self._tokens)

    def _asks_by_itself(self, options: Any) -> bool:
        """Whether the SDK is to ask for the key of this request."""
        if self._tokens is None:
            return True
        is_socket = options.url.startswith(("ws:", "wss:"))
        return is_socket and _authorization(options.headers or {}) is None

    def _with_own(self, headers: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The headers of a handshake that is to have none of our tokens."""
        if _authorization(headers) is not None:
            return headers
        sdk: Any = self
        own = _authorization(sdk._custom_headers)
        return None if own is None else {**headers, "Authorization": own}

    def _outside_of_requests(self, error: Error) -> Exception:
        """A failure where the SDK retries nothing: at the handshake of a socket."""
        if not error.retryable:
            return as_error_of("httpx", error)
        sdk: Any = self
        request = sdk._client.build_request("GET", sdk.base_url)
        return _openai.APIConnectionError(message=str(error), request=request)

    def _made(self, name: str) -> Any:
        """A resource as the SDK makes it, past the SDK's cache: what is in there, another
        thread takes before it is watched.
        """
        made: cached_property[Any] = getattr(super(_Ours, type(self)), name)
        return made.func(self)

    def _watched(self, resource: Any) -> Any:
        """The resource, with its sockets' handshakes by `_connecting`."""
        connect, tokens = getattr(resource, "connect", None), self._tokens
        if tokens is not None and connect is not None:

            def connect_watched(*args: Any, **kwargs: Any) -> Any:
                manager = connect(*args, **kwargs)
                manager._connect_ws = self._connecting(manager._connect_ws, tokens)
                return manager

            resource.connect = connect_watched
        for name in _WITH_SOCKETS:
            if hasattr(type(resource), name):
                self._watched(getattr(resource, name))
        return resource

    def _connecting(
        self, connect: Callable[..., Any], tokens: TokenProvider
    ) -> Callable[..., Any]:
        raise NotImplementedError


class OpenAI(_Ours, _openai.OpenAI):
    """`openai.OpenAI` with the access tokens of a `svidex.Provider`.

    Takes the provider (default: `svidex.default_provider()`), and by name whatever
    the SDK's own class takes beside credentials.
    """

    _key = "access_token"

    def _prepare_options(self, options: Any) -> Any:
        if self._asks_by_itself(options):
            return super()._prepare_options(options)
        # Past the SDK's own, which would ask for a key where a failure is not retried.
        return super(_openai.OpenAI, self)._prepare_options(options)

    def _refresh_api_key(self) -> str:
        try:
            return super()._refresh_api_key()
        except Error as error:
            raise self._outside_of_requests(error) from error

    def _send_request(self, request: Any, *, stream: bool, **options: Any) -> Any:
        attempt = self._attempt(request)
        if attempt is None:
            return super()._send_request(request, stream=stream, **options)
        attempt.use(attempt.token())
        response = super()._send_request(request, stream=stream, **options)
        if not attempt.was_refused(response):
            return response
        try:
            again = attempt.use(attempt.token())
        except BaseException:
            response.close()
            raise
        if not again:
            return response
        response.close()
        response = super()._send_request(request, stream=stream, **options)
        attempt.was_refused(response)
        return response

    def _connecting(
        self, connect: Callable[..., Any], tokens: TokenProvider
    ) -> Callable[..., Any]:
        def token() -> str:
            try:
                return tokens.access_token()
            except Error as error:
                raise self._outside_of_requests(error) from error

        def connecting(query: Any, headers: Mapping[str, Any]) -> Any:
            if (own := self._with_own(headers)) is not None:
                return connect(query, own)
            used = token()
            try:
                return connect(query, _with_token(headers, used))
            except Exception as error:
                if not _refused(error):
                    raise
                tokens.invalidate(used)
                newer = token()
                if newer == used:
                    raise
            return connect(query, _with_token(headers, newer))

        return connecting


class AsyncOpenAI(_Ours, _openai.AsyncOpenAI):
    """`openai.AsyncOpenAI` with the access tokens of a `svidex.Provider`.

    Takes the provider (default: `svidex.default_provider()`), and by name whatever
    the SDK's own class takes beside credentials.
    """

    _key = "access_token_async"

    async def _prepare_options(self, options: Any) -> Any:
        if self._asks_by_itself(options):
            return await super()._prepare_options(options)
        # Past the SDK's own, which would ask for a key where a failure is not retried.
        return await super(_openai.AsyncOpenAI, self)._prepare_options(options)

    async def _refresh_api_key(self) -> str:
        try:
            return await super()._refresh_api_key()
        except Error as error:
            raise self._outside_of_requests(error) from error

    async def _send_request(self, request: Any, *, stream: bool, **options: Any) -> Any:
        attempt = self._attempt(request)
        if attempt is None:
            return await super()._send_request(request, stream=stream, **options)
        attempt.use(await attempt.token_async())
        response = await super()._send_request(request, stream=stream, **options)
        if not attempt.was_refused(response):
            return response
        try:
            again = attempt.use(await attempt.token_async())
        except BaseException:
            await response.aclose()
            raise
        if not again:
            return response
        await response.aclose()
        response = await super()._send_request(request, stream=stream, **options)
        attempt.was_refused(response)
        return response

    def _connecting(
        self, connect: Callable[..., Any], tokens: TokenProvider
    ) -> Callable[..., Any]:
        async def token() -> str:
            try:
                return await tokens.access_token_async()
            except Error as error:
                raise self._outside_of_requests(error) from error

        async def connecting(query: Any, headers: Mapping[str, Any]) -> Any:
            if (own := self._with_own(headers)) is not None:
                return await connect(query, own)
            used = await token()
            try:
                return await connect(query, _with_token(headers, used))
            except Exception as error:
                if not _refused(error):
                    raise
                tokens.invalidate(used)
                newer = await token()
                if newer == used:
                    raise
            return await connect(query, _with_token(headers, newer))

        return connecting


def _authorization(headers: Mapping[str, Any]) -> Any:
    """The value, a text or the SDK's `Omit`; None if there is none."""
    values = (value for name, value in headers.items() if name.lower() == "authorization")
    return next(values, None)


def _with_token(headers: Mapping[str, Any], token: str) -> dict[str, Any]:
    return {**headers, "Authorization": f"Bearer {token}"}


def _refused(error: BaseException | None) -> bool:
    """Whether a handshake was answered 401."""
    # Two threads of the library close that connection. Without a GIL they may do so at
    # once, and the one that comes too late fails in the place of the answer.
    if isinstance(error, OSError) and error.errno == errno.EBADF:
        error = error.__context__
    response = getattr(error, "response", None)
    return getattr(response, "status_code", None) == UNAUTHORIZED
