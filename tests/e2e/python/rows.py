"""Executes a row of ../rows.json with OpenAI's SDK for Python, sync or async.

As a program (`rows.py NAME WAY sync|async DIRECTORY`) it does so in the environment
that SVIDEX_EMULATOR_INFO describes.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from unittest import mock

import openai
import svidex
import svidex.openai

from clients import MODEL
from emulator import Emulator, Leg, from_environment

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

Object = dict[str, Any]

ROWS: list[Object] = json.loads((Path(__file__).parents[1] / "rows.json").read_text())["rows"]
RUNTIME = "python"
WAYS = ("client", "callback", "access_token")
# Of a row; its steps' are the parameters of the methods that execute them.
KNOWN = {
    *("name", "ways", "needs", "settings", "settings_of_a_long_run"),
    *("environment", "provider", "client", "steps"),
}
OWN = "emulator of its own"
# Between the calls of a program that keeps calling.
PACE_SECONDS = 0.05

SDK_ERRORS: dict[str, type[Exception]] = {
    "any": openai.OpenAIError,
    "authentication": openai.AuthenticationError,
    "connection": openai.APIConnectionError,
    "timeout": openai.APITimeoutError,
    "oauth": openai.OAuthError,
}
LAST_EVENT = {"realtime": "response.done", "responses": "response.completed"}


class Run:
    """One row, one of the ways into the SDK."""

    def __init__(
        self, row: Object, way: str, *, is_async: bool, world: Emulator, directory: Path
    ) -> None:
        if unknown := set(row) - KNOWN:
            raise ValueError(f"this runner knows no {unknown}")
        if row.get("needs") not in (None, "emulator", OWN) or way not in WAYS:
            raise ValueError(f"this runner knows no {row.get('needs')}, or no {way}")
        self.row = row
        self.way = way
        self.is_async = is_async
        self.world = world
        self.file = directory / "token"
        first, second, *_ = world.info["spiffe_ids"]
        self.names = {
            **{name: text for name, text in world.info.items() if isinstance(text, str)},
            "first": first,
            "second": second,
            "foreign": "spiffe://example.org/ns/somebody/sa/else",
            "file": str(self.file),
            "nowhere": str(directory / "nobody.sock"),
        }
        # How often the SDK asked for a token, and we a question.
        self.asked = 0
        self.questions = 0

    def execute(self) -> None:
        settings = self.row.get("settings", {})
        if os.environ.get("SVIDEX_LONG"):
            settings = self.row.get("settings_of_a_long_run", settings)
        with ExitStack() as self.stack:
            if settings:
                self.world.settings(**settings)
            self.stack.callback(self.world.heal)
            self.stack.enter_context(mock.patch.dict(os.environ))
            for name, value in self.row.get("environment", {}).items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = self.named(value)
            self.loop = asyncio.new_event_loop()
            self.stack.callback(self.loop.close)
            self.provider = self.make_provider(**self.named(self.row.get("provider", {})))
            self.client = self.make_client()
            self.stack.callback(self.close_client)
            self.base = self.world.counters()
            for step in map(self.here, self.row["steps"]):
                verb, value = next(iter(step.items()))
                del step[verb]
                method: Any = getattr(self, f"do_{verb}", None)
                if method is None:
                    raise ValueError(f"this runner knows no step {verb}")
                method(self.named(value), **step)

    def here(self, step: Object) -> Object:
        """The step, as it is `unless` this is a runtime of which something else is known."""
        step = dict(step)
        for other in step.pop("unless", ()):
            assert other["why"]
            if RUNTIME.startswith(other["runtime"]) and other["way"] == self.way:
                step |= {k: v for k, v in other.items() if k not in ("runtime", "way", "why")}
        return step

    # What a row may say.

    def do_ask(
        self,
        kinds: str | list[str],
        *,
        times: int = 1,
        at_once: int = 0,
        together_at: Leg | None = None,
        answer: str = "{first}",
        error: Object | None = None,
    ) -> None:
        for kind in [kinds] if isinstance(kinds, str) else kinds:
            for _ in range(times):
                if error is not None:
                    self.fails(kind, self.named(error))
                    continue
                answers = self.together(kind, at_once, together_at) if at_once else None
                for text in answers or [self.ask(kind)]:
                    assert kind == "models" or self.named(answer) in text, text

    def do_get(self, url: str) -> None:
        self.now(self.client.get(url, cast_to=str))

    def do_upload(self, size: int) -> None:
        upload = self.client.files.create(file=b"x" * size, purpose="user_data")
        assert self.now(upload).bytes == size

    def do_socket(self, kind: str) -> None:
        async def talk() -> str:
            connect = getattr(self.client, kind).connect
            more = {"model": "gpt-realtime"} if kind == "realtime" else {}
            question = {"model": MODEL, "input": "?"} if kind == "responses" else {}
            manager = connect(**more)
            socket = await settled(manager.enter())
            try:
                await settled(socket.send({"type": "response.create", **question}))
                text = ""
                async for event in each(socket):
                    text += str(event)
                    if event.type == LAST_EVENT[kind]:
                        return text
            finally:
                await settled(socket.close())
            raise AssertionError("the socket ended before its answer")

        assert self.names["first"] in self.run(talk())

    def do_revoke(self, _: bool) -> None:
        self.world.revoke_access_tokens()

    def do_fault(self, faults: dict[Leg, Object]) -> None:
        for leg, fault in faults.items():
            self.world.fault(leg, **fault)

    def do_hold(self, leg: Leg) -> None:
        assert leg in get_args(Leg)
        self.world.hold(leg)
        self.stack.callback(self.world.release, leg)

    def do_write_svid_of(self, spiffe_id: str) -> None:
        with svidex.Provider.from_env(spiffe_id=spiffe_id) as provider:
            fresh = self.file.with_suffix(".new")
            fresh.write_text(provider.get_token())
        # As a sidecar does it: no reader ever sees half of it.
        os.replace(fresh, self.file)

    def do_renew(self, which: bool | str) -> None:
        """What is held is given back, rather than waited for until it is due."""
        assert which in (True, "subject_token", "access_token")
        # In this order: an access token that is given back is exchanged anew at once.
        if which != "access_token":
            self.provider.invalidate(self.provider.get_token())
        if which != "subject_token" and self.provider.status().access_token is not None:
            self.provider.invalidate(self.provider.access_token())

    def do_new_client(self, _: bool) -> None:
        self.close_client()
        self.client = self.make_client()

    def do_rotate(self, leg: Leg, *, times: int, ask: str | list[str], until: str) -> None:
        """Keeps asking; asks on while the renewal waits; until the counter has grown."""
        with ThreadPoolExecutor(1) as pool:
            for _ in range(times):
                before = self.world.counters()[until]
                self.world.hold(leg)
                held: Future[None] = pool.submit(self.world.wait_until_held, leg)
                while not held.done():
                    self.do_ask("responses")
                    time.sleep(PACE_SECONDS)
                held.result()
                self.do_ask(ask)
                self.world.release(leg)
                while self.world.counters()[until] == before:
                    self.do_ask("responses")
                    time.sleep(PACE_SECONDS)

    def do_counted(self, expected: Object) -> None:
        now = self.world.counters()
        for name, value in expected.items():
            grown = now[name] - self.base[name]
            wanted = self.questions if value == "asked" else value
            low, high = wanted if isinstance(wanted, list) else (wanted, wanted)
            assert low <= grown <= high, f"{name}: {grown}, not {wanted}"
        self.base = now

    def do_connected(self, hosts: list[str]) -> None:
        connects: dict[str, int] = self.world.counters()["proxy_connects"]
        for host in hosts:
            assert connects.get(host, 0) > 0, f"{host} was not asked for"

    def do_source(self, source: str) -> None:
        assert self.provider.status().source == source

    def do_spiffe_id(self, spiffe_id: str) -> None:
        assert self.provider.status().spiffe_id == spiffe_id

    # How it is done.

    def make_provider(self, **options: Any) -> svidex.Provider:
        return self.stack.enter_context(svidex.Provider.from_env(**options))

    def make_client(self) -> Any:
        options = self.named({"max_retries": 0, **self.row.get("client", {})})
        if "timeout_seconds" in options:
            options["timeout"] = options.pop("timeout_seconds")
        if self.way == "client":
            cls: Any = svidex.openai.AsyncOpenAI if self.is_async else svidex.openai.OpenAI
            is_counted = any("asked" in step.get("error", {}) for step in self.row["steps"])
            return cls(Counted(self) if is_counted else self.provider, **options)
        plain: Any = openai.AsyncOpenAI if self.is_async else openai.OpenAI
        if self.way == "callback":
            identity = self.provider.workload_identity()
            get_token = identity["provider"]["get_token"]
            identity["provider"]["get_token"] = self.counted(get_token)
            if "refresh_buffer_seconds" in options:
                # A twentieth of five minutes; the row has one for the SVIDs that there are.
                assert identity["refresh_buffer_seconds"] == 15
                identity["refresh_buffer_seconds"] = options.pop("refresh_buffer_seconds")
            return plain(workload_identity=identity, **options)
        access_token: Any = self.provider.access_token
        if self.is_async:
            access_token = self.provider.access_token_async
        return plain(api_key=self.counted(access_token), **options)

    def counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(**options: Any) -> Any:
            self.asked += 1
            return call(**options)

        async def counting_async(**options: Any) -> Any:
            self.asked += 1
            return await call(**options)

        return counting_async if inspect.iscoroutinefunction(call) else counting

    def close_client(self) -> None:
        self.now(self.client.close())

    def ask(self, kind: str) -> str:
        answer: str = self.run(self.answer(kind))
        return answer

    async def answer(self, kind: str) -> str:
        """The model's, which names the SPIFFE ID behind the access token."""
        self.questions += 1
        api, _, streamed = kind.partition("_")
        if kind == "models":
            assert (await settled(self.client.models.list())).data
            return ""
        create: Any = {
            "responses": self.client.responses.create,
            "chat": self.client.chat.completions.create,
        }[api]
        messages = [{"role": "user", "content": "Who am I?"}]
        asked = {"input": "Who am I?"} if api == "responses" else {"messages": messages}
        answer = await settled(create(model=MODEL, **asked, stream=bool(streamed)))
        if not streamed:
            text: str
            if api == "responses":
                text = answer.output_text
            else:
                text = answer.choices[0].message.content
            return text
        deltas = []
        async for event in each(answer):
            if api == "chat":
                deltas += [choice.delta.content or "" for choice in event.choices]
            elif event.type == "response.output_text.delta":
                deltas.append(event.delta)
        assert len(deltas) > 1
        return "".join(deltas)

    def together(self, kind: str, count: int, leg: Leg | None) -> list[str]:
        """With a leg, all of them are in flight there before any is answered."""

        async def all_of_them() -> list[str]:
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(count + 1) as pool:

                async def one() -> str:
                    if self.is_async:
                        return await self.answer(kind)
                    return await loop.run_in_executor(pool, self.ask, kind)

                if leg is not None:
                    self.world.hold(leg)
                calls = [loop.create_task(one()) for _ in range(count)]
                if leg is not None:
                    try:
                        wait = self.world.wait_until_held
                        await loop.run_in_executor(pool, wait, leg, count)
                    finally:
                        self.world.release(leg)
                return await asyncio.gather(*calls)

        return self.loop.run_until_complete(all_of_them())

    def fails(self, kind: str, error: Object) -> None:
        before = self.asked
        try:
            self.ask(kind)
        except Exception as raised:
            self.judge(raised, self.asked - before, **error)
        else:
            raise AssertionError("it was answered")

    def judge(
        self,
        raised: BaseException,
        asked_now: int,
        *,
        sdk: str | None = None,
        ours: str | None = None,
        asked: int | None = None,
        message: str = "",
    ) -> None:
        assert sdk is None or isinstance(raised, SDK_ERRORS[sdk]), repr(raised)
        assert asked is None or asked_now == asked, f"asked {asked_now} times"
        causes: list[BaseException] = []
        cause: BaseException | None = raised
        while cause is not None:
            causes.append(cause)
            cause = cause.__cause__
        kinds = [cause.kind for cause in causes if isinstance(cause, svidex.Error)]
        assert ours is None or (kinds and kinds[-1] == ours), repr(causes)
        assert message in str(causes[-1])

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        """A sync client's calls settle by themselves, in whichever thread this is."""
        if self.is_async:
            return self.loop.run_until_complete(call)
        try:
            call.send(None)
        except StopIteration as end:
            return end.value
        raise AssertionError("a sync client waits for a loop")

    def now(self, value: Any) -> Any:
        return self.run(settled(value))

    def named(self, value: Any) -> Any:
        """With what is written in braces by its name put in."""
        if isinstance(value, str):
            for name, text in self.names.items():
                value = value.replace(f"{{{name}}}", text)
            return value
        if isinstance(value, dict):
            return {key: self.named(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.named(inner) for inner in value]
        return value


class Counted:
    """The provider, whose questions for an access token a run counts."""

    def __init__(self, run: Run) -> None:
        self.access_token = run.counted(run.provider.access_token)
        self.access_token_async = run.counted(run.provider.access_token_async)
        self.invalidate = run.provider.invalidate


async def settled(value: Any) -> Any:
    """What a client gives: now, or when awaited."""
    return await value if inspect.isawaitable(value) else value


async def each(items: Any) -> AsyncIterator[Any]:
    if hasattr(items, "__aiter__"):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item


def find(name: str) -> Object:
    [row] = [row for row in ROWS if row["name"] == name]
    return row


def main() -> None:
    name, way, kind, directory = sys.argv[1:]
    Run(
        find(name),
        way,
        is_async=kind == "async",
        world=from_environment(),
        directory=Path(directory),
    ).execute()


if __name__ == "__main__":
    main()
