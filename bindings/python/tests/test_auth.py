"""`svidex.auth`: the token on requests of four HTTP libraries, replays, and hosts."""

from __future__ import annotations

import asyncio
import copy
import io
import json
import os
import pickle
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, make_dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import urlsplit

import pytest

import svidex
from svidex._hosts import Hosts, origin
from svidex.testing import FakeProvider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

VECTORS = json.loads((Path(__file__).parents[3] / "tests/vectors/hosts.json").read_text())

LIBRARIES = ("httpx", "httpx2", "requests", "aiohttp")


@pytest.mark.parametrize("case", VECTORS["cases"], ids=str)
def test_hosts(case: dict[str, Any]) -> None:
    parts = urlsplit(case["url"])
    to = origin(parts.scheme, parts.hostname or "", parts.port)
    assert (to in Hosts(case["hosts"])) is case["allowed"]


@pytest.mark.parametrize("host", VECTORS["refused"])
def test_hosts_that_are_none(host: str) -> None:
    with pytest.raises(svidex.InvalidConfigError, match="hosts must be"):
        svidex.auth(FakeProvider(), hosts=[host])


class Server:
    """Notes what it is sent, and answers 401 to the tokens that it does not like."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None, bytes]] = []
        self.disliked = {"access-token-1"}
        self.redirect: str | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                if self.headers.get("Transfer-Encoding") == "chunked":
                    body = b""
                    while size := int(self.rfile.readline(), 16):
                        body += self.rfile.read(size)
                        self.rfile.readline()
                    self.rfile.readline()
                else:
                    body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                token = self.headers.get("Authorization")
                outer.seen.append((self.path, token, body))
                if outer.redirect and self.path == "/redirected":
                    self.send_response(307)
                    self.send_header("Location", outer.redirect)
                elif token is not None and token.removeprefix("Bearer ") in outer.disliked:
                    self.send_response(401)
                else:
                    self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST  # noqa: N815 (http.server looks for it)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def running() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.server.shutdown()
        thread.join()
        server.server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as server:
        yield server


# Posts with an auth to a URL, and gives the status.
Post: TypeAlias = "Callable[[Any, str, Any], int]"


def httpx_sync(module: Any) -> Post:
    def post(auth: Any, url: str, body: Any) -> int:
        with module.Client(auth=auth, follow_redirects=True, trust_env=False) as client:
            return int(client.post(url, **body).status_code)

    return post


def httpx_async(module: Any) -> Post:
    def post(auth: Any, url: str, body: Any) -> int:
        async def main() -> int:
            async with module.AsyncClient(
                auth=auth, follow_redirects=True, trust_env=False
            ) as client:
                return int((await client.post(url, **body)).status_code)

        return asyncio.run(main())

    return post


def requests_post(module: Any) -> Post:
    def post(auth: Any, url: str, body: Any) -> int:
        with module.Session() as session:
            session.auth = auth
            session.trust_env = False
            body = {"data" if name == "content" else name: v for name, v in body.items()}
            return int(session.post(url, **body).status_code)

    return post


def aiohttp_post(module: Any) -> Post:
    def post(auth: Any, url: str, body: Any) -> int:
        async def main() -> int:
            async with module.ClientSession(middlewares=[auth]) as session:
                content = body.get("content") or body.get("files")
                async with session.post(url, data=content) as response:
                    return int(response.status)

        return asyncio.run(main())

    return post


@pytest.fixture(
    params=["httpx", "httpx-async", "httpx2", "httpx2-async", "requests", "aiohttp"]
)
def post(request: pytest.FixtureRequest) -> Any:
    name, _, how = request.param.partition("-")
    module = pytest.importorskip(name)
    if name == "requests":
        return requests_post(module)
    if name == "aiohttp":
        return aiohttp_post(module)
    return httpx_async(module) if how else httpx_sync(module)


def test_a_refused_token_is_replaced_once(post: Any, server: Server) -> None:
    provider = FakeProvider()
    auth = svidex.auth(provider, hosts=[server.url])
    assert post(auth, server.url + "/a", {"content": b"body"}) == 200
    assert server.seen == [
        ("/a", "Bearer access-token-1", b"body"),
        ("/a", "Bearer access-token-2", b"body"),
    ]
    assert provider.invalidated == ["access-token-1"]


def test_never_twice(post: Any, server: Server) -> None:
    server.disliked |= {"access-token-2", "access-token-3"}
    auth = svidex.auth(FakeProvider(), hosts=[server.url])
    assert post(auth, server.url, {}) == 401
    assert [token for _, token, _ in server.seen] == [
        "Bearer access-token-1",
        "Bearer access-token-2",
    ]


def test_a_server_that_refuses_every_token_costs_one_exchange(
    post: Any, server: Server
) -> None:
    server.disliked |= {"access-token-2"}
    provider = FakeProvider()
    auth = svidex.auth(provider, hosts=[server.url])
    assert [post(auth, server.url, {}) for _ in range(3)] == [401] * 3
    assert provider.invalidated == ["access-token-1"]
    # Once it takes the token again, a later refusal is one like any other.
    server.disliked = set()
    assert post(auth, server.url, {}) == 200
    server.disliked = {"access-token-2"}
    assert post(auth, server.url, {}) == 200
    assert provider.invalidated == ["access-token-1", "access-token-2"]


def test_files_are_sent_whole_again(post: Any, server: Server) -> None:
    auth = svidex.auth(FakeProvider(), hosts=[server.url])
    assert post(auth, server.url, {"files": {"file": io.BytesIO(b"x" * 100_000)}}) == 200
    sizes = [body.count(b"x" * 100_000) for _, _, body in server.seen]
    assert sizes == [1, 1]


@pytest.mark.parametrize("library", ["httpx", "httpx2", "requests"])
def test_a_body_that_can_be_had_once_is_not_sent_in_part(library: str, server: Server) -> None:
    module = pytest.importorskip(library)
    post: Any = requests_post(module) if library == "requests" else httpx_sync(module)
    provider = FakeProvider()
    auth = svidex.auth(provider, hosts=[server.url])
    assert post(auth, server.url, {"content": iter([b"once"])}) == 401
    assert len(server.seen) == 1
    # The next request has another token all the same.
    assert provider.access_token() == "access-token-2"


def form(aiohttp: Any, part: Any) -> Any:
    form = aiohttp.FormData()
    form.add_field("file", part, filename="upload")
    return form


@pytest.mark.parametrize("shape", ["a pipe", "a pipe in a form", "a generator"])
@pytest.mark.parametrize("aiohttp_says", [True, False])
def test_nor_by_aiohttp(
    shape: str, aiohttp_says: bool, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    if not aiohttp_says:
        # Before 3.14 not of a form's parts, nor of a body that was sent in part.
        monkeypatch.setattr(aiohttp.MultipartWriter, "consumed", False)
        monkeypatch.setattr(aiohttp.payload.Payload, "consumed", False)
    reading, writing = os.pipe()
    os.write(writing, b"once")
    os.close(writing)

    async def chunks() -> AsyncIterator[bytes]:
        yield b"once"

    with os.fdopen(reading, "rb") as pipe:
        body: Any = {"a pipe": pipe, "a generator": chunks()}.get(shape)
        provider = FakeProvider()
        auth = svidex.auth(provider, hosts=[server.url])
        content = body or form(aiohttp, pipe)
        assert aiohttp_post(aiohttp)(auth, server.url, {"content": content}) == 401
    assert [body.count(b"once") for _, _, body in server.seen] == [1]
    assert provider.access_token() == "access-token-2"


@pytest.mark.parametrize("part", [b"twice", "twice", io.BytesIO(b"twice")], ids=type)
def test_a_form_of_aiohttp_is_sent_whole_again(part: Any, server: Server) -> None:
    aiohttp = pytest.importorskip("aiohttp")
    auth = svidex.auth(FakeProvider(), hosts=[server.url])
    body = form(aiohttp, part)
    assert aiohttp_post(aiohttp)(auth, server.url, {"content": body}) == 200
    assert [body.count(b"twice") for _, _, body in server.seen] == [1, 1]


def test_a_prepared_request_of_requests_can_be_sent_again(server: Server) -> None:
    import requests

    auth = svidex.auth(FakeProvider(), hosts=[server.url])
    prepared = requests.Request("POST", server.url, data=b"body", auth=auth).prepare()
    with requests.Session() as session:
        assert [session.send(prepared).status_code for _ in range(2)] == [200, 200]


def test_other_hosts_get_no_token(post: Any, server: Server) -> None:
    provider = FakeProvider()
    assert post(svidex.auth(provider), server.url, {}) == 200
    assert [token for _, token, _ in server.seen] == [None]
    assert provider.calls == 0


def test_no_token_goes_along_a_redirect_to_another_origin(post: Any, server: Server) -> None:
    provider = FakeProvider()
    server.disliked.clear()
    with running() as other:
        other.disliked.clear()
        server.redirect = other.url + "/elsewhere"
        auth = svidex.auth(provider, hosts=[server.url])
        assert post(auth, server.url + "/redirected", {"content": b"x"}) == 200
        assert [(path, token) for path, token, _ in other.seen] == [("/elsewhere", None)]
    assert provider.invalidated == []


@pytest.mark.parametrize(
    ("location", "kept"),
    [
        ("https://gateway.example/", True),
        ("https://gateway.example:8443/", False),
        ("https://sub.gateway.example/", False),
        ("http://gateway.example:8080/", False),
    ],
)
@pytest.mark.parametrize("library", ["httpx", "httpx2", "requests"])
def test_only_its_own_https_is_the_same_host(library: str, location: str, kept: bool) -> None:
    """On the ports that such a redirect is about, a test cannot listen."""
    module = pytest.importorskip(library)
    seen: list[str | None] = []

    def answer(request: Any) -> Any:
        seen.append(request.headers.get("Authorization"))
        return len(seen) == 1

    class Transport(getattr(module, "BaseTransport", object)):  # type: ignore[misc]
        def handle_request(self, request: Any) -> Any:
            moved = answer(request)
            headers = {"Location": location} if moved else {}
            return module.Response(307 if moved else 200, headers=headers)

    class Adapter(getattr(getattr(module, "adapters", None), "BaseAdapter", object)):  # type: ignore[misc]
        def send(self, request: Any, **_: Any) -> Any:
            response = module.Response()
            response.status_code = 307 if answer(request) else 200
            if response.status_code == 307:
                response.headers["Location"] = location
            response.request, response.url = request, request.url
            response.raw = io.BytesIO()
            return response

        def close(self) -> None:
            pass

    auth = svidex.auth(FakeProvider(), hosts=["http://gateway.example"])
    if library == "requests":
        with module.Session() as session:
            session.trust_env = False
            session.mount("http://", Adapter())
            session.mount("https://", Adapter())
            session.get("http://gateway.example/", auth=auth)
    else:
        with module.Client(auth=auth, transport=Transport(), follow_redirects=True) as client:
            client.get("http://gateway.example/")
    token = "Bearer access-token-1"
    assert seen == [token, token if kept else None]


@pytest.mark.parametrize(
    ("given", "called"),
    [
        (FakeProvider().access_token, "a method"),
        ("gateway.example", "a str"),
        (FakeProvider, "the class FakeProvider"),
        # `auth=svidex.auth`, not called, is what requests and httpx call with a request.
        (object(), "a object"),
    ],
)
def test_what_is_no_provider_is_refused_at_once(given: Any, called: str) -> None:
    with pytest.raises(TypeError, match=rf"takes a svidex\.Provider, not {called}"):
        svidex.auth(given)


def test_failures_are_ours_and_the_librarys(post: Any, server: Server) -> None:
    import requests

    error = svidex.SourceUnavailableError("no agent", retryable=True)
    auth = svidex.auth(FakeProvider(error=error), hosts=[server.url])
    with pytest.raises(svidex.SourceUnavailableError) as raised:
        post(auth, server.url, {})
    names = {cls.__module__.partition(".")[0] for cls in type(raised.value).__mro__}
    assert names & {*LIBRARIES, requests.__name__}
    assert raised.value.__cause__ is error
    assert server.seen == []


def test_an_auth_made_too_early_says_so() -> None:
    pytest.importorskip("httpx")
    program = """
import svidex
from svidex.testing import FakeProvider
auth = svidex.auth(FakeProvider())
import httpx
try:
    httpx.Client(auth=auth).get("https://api.openai.com/")
except TypeError as error:
    print(error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "httpx was imported: import that first" in ran.stdout, ran.stderr


@dataclass
class Own:
    """A provider as users write one, without a hash."""

    number: int = 1
    invalidated: int = 0

    def access_token(self, *, timeout: float | None = None) -> str:
        return f"access-token-{self.number}"

    async def access_token_async(self, *, timeout: float | None = None) -> str:
        return self.access_token()

    def invalidate(self, token: str, /) -> None:
        self.number += 1
        self.invalidated += 1


# Nothing can refer to it weakly.
Slotted = make_dataclass(
    "Slotted",
    [("number", int, 1), ("invalidated", int, 0)],
    namespace={
        name: vars(Own)[name] for name in ("access_token", "access_token_async", "invalidate")
    },
    slots=True,
)


def test_a_provider_with_slots(post: Any, server: Server) -> None:
    provider: Any = Slotted()
    assert post(svidex.auth(provider, hosts=[server.url]), server.url, {}) == 200
    server.disliked = {"access-token-2", "access-token-3"}
    assert post(svidex.auth(provider, hosts=[server.url]), server.url, {}) == 401


def test_a_provider_of_the_users_own_making(post: Any, server: Server) -> None:
    server.disliked = {f"access-token-{number}" for number in range(10)}
    provider: Any = Own()
    auth = svidex.auth(provider, hosts=[server.url])
    assert [post(auth, server.url, {}) for _ in range(3)] == [401] * 3
    assert provider.invalidated == 1
    server.disliked = set()
    assert post(auth, server.url, {}) == 200


def test_copies_are_the_same_credentials() -> None:
    auth = svidex.auth(FakeProvider())
    assert copy.deepcopy(auth) is auth
    assert copy.copy(auth) is auth
    assert "access-token" not in repr(auth)
    with pytest.raises(TypeError, match="make one in each process"):
        pickle.dumps(auth)
