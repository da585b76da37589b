"""Access tokens on requests of httpx, httpx2, requests and aiohttp.

One object serves them all. It puts the token on requests to hosts that may have
it, and sends a request that was answered 401 once more, if by then there is another
token and the body can be had again.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import ref

from ._default import given_or_default
from ._errors import Error
from ._hosts import Hosts, origin
from ._sdk_errors import as_error_of

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator, Iterable

    from typing_extensions import Never

    from ._protocol import TokenProvider

UNAUTHORIZED = 401
_BAD_REQUEST = 400


def auth(provider: TokenProvider | None = None, *, hosts: Iterable[str] | None = None) -> Any:
    """Credentials for an HTTP library: the access token, renewed in the background.

        httpx.Client(auth=svidex.auth(provider))            # AsyncClient, httpx2 too
        requests.get(url, auth=svidex.auth(provider))       # Session().auth too
        aiohttp.ClientSession(middlewares=[svidex.auth(provider)])

    `provider` defaults to `svidex.default_provider()`. A request that is answered
    401 is sent once more with a new token. The token goes to `hosts` only: by
    default OpenAI's API, data-residency hosts included; else what you name
    (`"gateway.example.com"`, `"gateway.example.com:8443"`, for anything but https
    with its scheme: `"http://127.0.0.1:8080"`). Requests to other hosts are sent
    without it, also along redirects; a host named with http that redirects to its own
    https is the same host to httpx and requests.

    Import the library first. Raises `svidex.InvalidConfigError` for a wrong host;
    requests raise `svidex.Error`, which is also the library's own connection error
    if time may heal it.
    """
    provider = given_or_default(provider, "svidex.auth(provider)")
    return _class_for(_loaded())(provider, Hosts(hosts))


class _Auth:
    # What httpx looks for.
    requires_request_body = False
    requires_response_body = False

    def __init__(self, provider: TokenProvider, hosts: Hosts) -> None:
        self._provider = provider
        self._hosts = hosts

    def __copy__(self) -> _Auth:
        return self

    def __deepcopy__(self, _memo: object) -> _Auth:
        return self

    def __reduce__(self) -> Never:
        raise TypeError("svidex.auth() cannot be pickled: make one in each process")

    def __repr__(self) -> str:
        return f"<svidex.auth of {self._provider!r}>"

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        if not self._may_go(request.url):
            yield request
            return
        attempt = Attempt(request, self._provider)
        attempt.use(attempt.token())
        response = yield request
        if attempt.was_refused(response) and attempt.use(attempt.token()):
            attempt.was_refused((yield request))

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        if not self._may_go(request.url):
            yield request
            return
        attempt = Attempt(request, self._provider)
        attempt.use(await attempt.token_async())
        response = yield request
        if attempt.was_refused(response) and attempt.use(await attempt.token_async()):
            attempt.was_refused((yield request))

    def __call__(self, request: Any, handler: Callable[[Any], Any] | None = None) -> Any:
        """For requests, and as aiohttp's middleware."""
        if handler is not None:
            return self._aiohttp(request, handler)
        if not hasattr(request, "register_hook"):
            raise TypeError(
                f"svidex.auth() was made before {type(request).__module__.partition('.')[0]} "
                "was imported: import that first"
            )
        return self._requests(request)

    def _requests(self, request: Any) -> Any:
        from urllib.parse import urlsplit

        parts = urlsplit(request.url)
        if origin(parts.scheme, parts.hostname or "", parts.port) not in self._hosts:
            return request
        try:
            used = self._provider.access_token()
        except Error as error:
            raise as_error_of("requests", error) from error
        request.headers["Authorization"] = f"Bearer {used}"

        def replay(response: Any, **send_options: Any) -> Any:
            if not _carries(response.request, used):
                return response
            if not invalidated(self._provider, used, response.status_code, again=False):
                return response
            again = response.request.copy()
            if not _rewound(again):
                return response
            try:
                newer = self._provider.access_token()
            except Error as error:
                raise as_error_of("requests", error) from error
            if newer == used:
                return response
            again.headers["Authorization"] = f"Bearer {newer}"
            # What is left of it, so that the connection can be used again.
            _ = response.content
            response.close()
            second = response.connection.send(again, **send_options)
            invalidated(self._provider, newer, second.status_code, again=True)
            second.history.append(response)
            second.request = again
            return second

        request.register_hook("response", replay)
        return request

    async def _aiohttp(self, request: Any, handler: Callable[[Any], Any]) -> Any:
        url = request.url
        if origin(url.scheme, url.raw_host or "", url.port) not in self._hosts:
            return await handler(request)
        try:
            used = await self._provider.access_token_async()
            request.headers["Authorization"] = f"Bearer {used}"
            response = await handler(request)
            if not invalidated(self._provider, used, response.status, again=False):
                return response
            if not _can_be_read_again(request.body):
                return response
            newer = await self._provider.access_token_async()
        except Error as error:
            raise as_error_of("aiohttp", error) from error
        if newer == used:
            return response
        response.release()
        request.headers["Authorization"] = f"Bearer {newer}"
        second = await handler(request)
        invalidated(self._provider, newer, second.status, again=True)
        return second

    def _may_go(self, url: Any) -> bool:
        return origin(url.scheme, url.host, url.port) in self._hosts


# By provider: a token that replaced a refused one and was refused as well. Then it is
# not the token that is wrong, and yet another exchange, one for every request, would
# only hide the server's answer behind a wait. By number, as users' own providers may
# have no hash.
_suspects: dict[int, tuple[ref[TokenProvider], str]] = {}


def invalidated(provider: TokenProvider, token: str, status: int, again: bool) -> bool:
    """Drops a token that was answered 401, unless it had replaced one already (`again`)."""
    key = id(provider)
    suspect = _suspects.get(key, (None, None))[1] == token
    if status != UNAUTHORIZED:
        if suspect and status < _BAD_REQUEST:
            _suspects.pop(key, None)
        return False
    if suspect:
        return False
    if again:
        # Of one that nothing can refer to weakly (`__slots__`), nothing is remembered.
        with suppress(TypeError):
            _suspects[key] = ref(provider, lambda _: _suspects.pop(key, None)), token
        return False
    provider.invalidate(token)
    return True


class Attempt:
    """A request of httpx or httpx2 on its way, and the token that it goes with."""

    def __init__(self, request: Any, provider: TokenProvider) -> None:
        self.request = request
        self._provider = provider
        self._library = type(request).__module__.partition(".")[0]
        self._body = _Body(request)
        self._used: str | None = None
        self._again = False

    def token(self) -> str:
        """For this request. A failure is the HTTP library's or the SDK's, too."""
        try:
            return self._provider.access_token(timeout=self._timeout())
        except Error as error:
            raise as_error_of(self._library, error) from error

    async def token_async(self) -> str:
        try:
            return await self._provider.access_token_async(timeout=self._timeout())
        except Error as error:
            raise as_error_of(self._library, error) from error

    def use(self, token: str) -> bool:
        """Puts the token on the request; False if that one was refused already."""
        if token == self._used:
            return False
        self._again = self._used is not None
        self._used = token
        self.request.headers["Authorization"] = f"Bearer {token}"
        return True

    def was_refused(self, response: Any) -> bool:
        """Whether to send the request once more: this token was what the server did
        not like, and the body can be had again. The token is not used again.

        Asked of each response, the second one included.
        """
        # After a redirect to another origin it was not sent at all.
        if self._used is None or not _carries(response.request, self._used):
            return False
        if not invalidated(self._provider, self._used, response.status_code, self._again):
            return False
        return self._body.rewind()

    def _timeout(self) -> float | None:
        """Waiting for a token is waiting for a connection, to whoever set a limit."""
        limit = (self.request.extensions.get("timeout") or {}).get("pool")
        own: float | None = getattr(self._provider, "_call_timeout_seconds", None)
        return limit if limit is not None and own is not None and limit < own else None


class _Body:
    """Whether, and from where, a request's body can be sent again."""

    def __init__(self, request: Any) -> None:
        self._files: list[tuple[Any, int]] = []
        self._replayable = self._look(request.stream)

    def rewind(self) -> bool:
        if not self._replayable:
            return False
        try:
            for file, position in self._files:
                file.seek(position)
        except (OSError, ValueError):
            return False
        return True

    def _look(self, stream: Any) -> bool:
        kind = type(stream).__name__
        if kind == "ByteStream":
            return True
        if kind == "MultipartStream":
            # A field without a file is text; the library rewinds files by itself.
            return all(self._can_seek(getattr(field, "file", b"")) for field in stream.fields)
        if kind in ("IteratorByteStream", "AsyncIteratorByteStream"):
            source = getattr(stream, "_stream", None)
            return isinstance(source, list | tuple) or self._can_seek(source)
        return False

    def _can_seek(self, file: Any) -> bool:
        if isinstance(file, str | bytes):
            return True
        try:
            if not file.seekable():
                return False
            self._files.append((file, file.tell()))
        except (AttributeError, OSError, ValueError):
            return False
        # An asynchronous file's is a coroutine.
        return isinstance(self._files[-1][1], int)


def _rewound(request: Any) -> bool:
    """The same, for a prepared request of requests."""
    body = request.body
    if body is None or isinstance(body, str | bytes):
        return True
    position = getattr(request, "_body_position", None)
    if not isinstance(position, int):
        return False
    try:
        body.seek(position)
    except (AttributeError, OSError, ValueError):
        return False
    return True


def _can_be_read_again(body: Any) -> bool:
    """The same, for what aiohttp sends. It finds the start of a file by itself.

    That a body is `consumed` aiohttp says since 3.12.1, of parts since 3.14, and then
    also of one that was sent in part when the answer came.
    """
    if isinstance(body, bytes):
        return True
    parts = getattr(body, "_parts", None)
    if parts is not None:
        return all(_can_be_read_again(part) for part, *_ in parts)
    value = getattr(body, "_value", None)
    if isinstance(value, str | bytes | bytearray | memoryview):
        return True
    if getattr(body, "consumed", True):
        return False
    if getattr(body, "_cached_chunks", None) is not None:
        return True
    try:
        return bool(value.seekable())  # type: ignore[union-attr]
    except (AttributeError, ValueError):
        return False


def _carries(request: Any, token: str) -> bool:
    return bool(request.headers.get("Authorization") == f"Bearer {token}")


def _loaded() -> tuple[type[Any], ...]:
    """What the libraries that the program has imported want an auth to be."""
    modules = (sys.modules.get(name) for name in ("httpx2", "httpx"))
    return tuple(module.Auth for module in modules if module is not None)


_classes: dict[tuple[type[Any], ...], type[_Auth]] = {}


def _class_for(bases: tuple[type[Any], ...]) -> type[_Auth]:
    if found := _classes.get(bases):
        return found
    return _classes.setdefault(bases, type("Auth", (_Auth, *bases), {"__module__": "svidex"}))
