"""One function for each framework: asks a model who we are, as its users would.

Each is given a provider and makes its client anew or once, as the framework has it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import svidex
import svidex.openai

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[], str]

MODEL = "gpt-5-mini"
QUESTION: Any = [{"role": "user", "content": "Who am I?"}]


def openai(provider: svidex.Provider) -> Ask:
    client = svidex.openai.OpenAI(provider)
    return lambda: client.responses.create(model=MODEL, input="Who am I?").output_text


def openai_chat(provider: svidex.Provider) -> Ask:
    client = svidex.openai.OpenAI(provider)

    def ask() -> str:
        chunks = client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    return ask


def openai_async(provider: svidex.Provider) -> Ask:
    async def once() -> str:
        async with svidex.openai.AsyncOpenAI(provider) as client:
            answer = await client.responses.create(model=MODEL, input="Who am I?")
            return str(answer.output_text)

    return lambda: asyncio.run(once())


def langchain(provider: svidex.Provider) -> Ask:
    # It makes clients by itself. With these it needs no key of its own; each client
    # has the token from its HTTP client.
    import httpx2
    from langchain_openai import ChatOpenAI

    http_client = httpx2.Client(auth=svidex.auth(provider))
    chat = ChatOpenAI(model=MODEL, api_key="unused", http_client=http_client)
    return lambda: str(chat.invoke("Who am I?").content)


def instructor(provider: svidex.Provider) -> Ask:
    import instructor as library

    client = library.from_openai(svidex.openai.OpenAI(provider))
    return lambda: str(
        client.client.chat.completions.create(model=MODEL, messages=QUESTION)
        .choices[0]
        .message.content
    )


def openai_agents(provider: svidex.Provider) -> Ask:
    from agents import Agent, Runner, set_default_openai_client, set_tracing_disabled

    # Its trace exporter copies a key, once: leave that out, or the traces.
    set_tracing_disabled(True)

    async def once() -> str:
        async with svidex.openai.AsyncOpenAI(provider) as client:
            set_default_openai_client(client, use_for_tracing=False)
            result = await Runner.run(Agent(name="asker", model=MODEL), "Who am I?")
            return str(result.final_output)

    return lambda: asyncio.run(once())
