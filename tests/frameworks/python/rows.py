"""One function for each framework: gives one that asks a model who we are.

Each has what its users would write. It is called anew for a fresh start, and its
function many times.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import TYPE_CHECKING, Any

import svidex
import svidex.openai

if TYPE_CHECKING:
    from collections.abc import Callable

    Ask = Callable[[], str]

MODEL = "gpt-5-mini"
WHO = "Who am I?"
QUESTION: Any = [{"role": "user", "content": WHO}]
WORLD = json.loads(os.environ["SVIDEX_EMULATOR_INFO"])

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"


def openai() -> Ask:
    client = svidex.openai.OpenAI(svidex.Provider.from_env())
    return lambda: client.responses.create(model=MODEL, input=WHO).output_text


def openai_federation() -> Ask:
    # The SDK's own exchange, for the benchmarks to compare with.
    from openai import OpenAI

    provider = svidex.Provider.from_env()
    client = OpenAI(workload_identity=provider.workload_identity())
    return lambda: client.responses.create(model=MODEL, input=WHO).output_text


def openai_stream() -> Ask:
    client = svidex.openai.OpenAI(svidex.Provider.from_env())

    def ask() -> str:
        chunks = client.chat.completions.create(model=MODEL, messages=QUESTION, stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    return ask


def openai_async() -> Ask:
    provider = svidex.Provider.from_env()

    async def once() -> str:
        async with svidex.openai.AsyncOpenAI(provider) as client:
            answer = await client.responses.create(model=MODEL, input=WHO)
            return str(answer.output_text)

    return lambda: asyncio.run(once())


def openai_files() -> Ask:
    provider = svidex.Provider.from_env()
    client = svidex.openai.OpenAI(provider)

    def ask() -> str:
        file = client.files.create(file=("who.txt", WHO.encode()), purpose="user_data")
        return f"{file.filename} of {provider.status().spiffe_id}"

    return ask


def openai_sockets() -> Ask:
    # Without TLS: the SDK's synchronous sockets read and write one connection from two
    # threads, and Python's ssl loses data on it, once in a hundred times.
    base_url = WORLD["api_base_url_http"]
    client = svidex.openai.OpenAI(svidex.Provider.from_env(), base_url=base_url)

    def ask() -> str:
        with client.realtime.connect(model=MODEL) as realtime:
            assert realtime.recv().type == "session.created"
        with client.responses.connect() as connection:
            connection.response.create(model=MODEL, input=WHO)
            for event in connection:
                if event.type == "response.completed":
                    return str(event.response.output_text)
        raise AssertionError("the socket ended first")

    return ask


def auth() -> Ask:
    import httpx2

    client = httpx2.Client(auth=svidex.auth(svidex.Provider.from_env()))
    question = {"model": MODEL, "input": WHO}
    url = "https://api.openai.com/v1/responses"
    return lambda: client.post(url, json=question).raise_for_status().text


def langchain() -> Ask:
    # It makes clients by itself. With these it needs no key of its own; each client
    # has the token from its HTTP client.
    import httpx2
    from langchain_openai import ChatOpenAI

    http_client = httpx2.Client(auth=svidex.auth(svidex.Provider.from_env()))
    chat = ChatOpenAI(model=MODEL, api_key="unused", http_client=http_client)
    return lambda: str(chat.invoke(WHO).content)


def litellm() -> Ask:
    from litellm import completion

    client = svidex.openai.OpenAI(svidex.Provider.from_env())

    def ask() -> str:
        answer = completion(model=f"openai/{MODEL}", messages=QUESTION, client=client)
        return str(answer.choices[0].message.content)

    return ask


def dspy() -> Ask:
    # Its own engine takes `api_key=provider.access_token`, but not a client, and does
    # not come back after a 401.
    from dspy import LM

    client = svidex.openai.OpenAI(svidex.Provider.from_env())
    lm = LM(f"openai/{MODEL}", engine="litellm", client=client, cache=False)
    return lambda: str(lm(WHO))


def instructor() -> Ask:
    from instructor import from_openai

    client = from_openai(svidex.openai.OpenAI(svidex.Provider.from_env()))

    def ask() -> str:
        answer = client.client.chat.completions.create(model=MODEL, messages=QUESTION)
        return str(answer.choices[0].message.content)

    return ask


def llama_index() -> Ask:
    from llama_index.llms.openai import OpenAI

    provider = svidex.Provider.from_env()
    llm = OpenAI(
        model="gpt-4o-mini",
        openai_client=svidex.openai.OpenAI(provider),
        async_openai_client=svidex.openai.AsyncOpenAI(provider),
    )
    return lambda: str(llm.complete(WHO))


def pydantic_ai() -> Ask:
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIResponsesModel
    from pydantic_ai.providers.openai import OpenAIProvider

    provider = svidex.Provider.from_env()

    async def once() -> str:
        async with svidex.openai.AsyncOpenAI(provider) as client:
            model = OpenAIResponsesModel(MODEL, provider=OpenAIProvider(openai_client=client))
            return str((await Agent(model).run(WHO)).output)

    return lambda: asyncio.run(once())


def openai_agents() -> Ask:
    import agents
    from agents.tracing.processors import BatchTraceProcessor

    import svidex.agents

    provider = svidex.Provider.from_env()
    traces = BatchTraceProcessor(svidex.agents.TraceExporter(provider, max_retries=1))
    agents.set_trace_processors([traces])

    async def once() -> str:
        async with svidex.openai.AsyncOpenAI(provider) as client:
            agents.set_default_openai_client(client, use_for_tracing=False)
            agent = agents.Agent(name="asker", model=MODEL)
            result = await agents.Runner.run(agent, WHO)
            return str(result.final_output)

    def ask() -> str:
        answer = asyncio.run(once())
        traces.force_flush()
        return answer

    return ask


def airflow() -> Ask:
    # The hook exchanges by itself; the function that it names uses the process's own
    # provider.
    import logging

    os.environ["AIRFLOW_CONN_OPENAI_DEFAULT"] = json.dumps(
        {
            "conn_type": "openai",
            "extra": {
                "auth_type": "workload_identity",
                "workload_identity_provider": "custom",
                "token_provider": "svidex.get_token",
                "identity_provider_id": WORLD["identity_provider_id"],
                "service_account_id": WORLD["service_account_id"],
            },
        }
    )
    from airflow.providers.openai.hooks.openai import OpenAIHook

    logging.disable()
    hook = OpenAIHook()
    return lambda: hook.create_response(input=WHO, model=MODEL).output_text


def otlp() -> Ask:
    import requests
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExportResult

    provider = svidex.Provider.from_env()
    # Of the collector: here one that takes the same tokens.
    base_url = WORLD["api_base_url"]
    session = requests.Session()
    session.auth = svidex.auth(provider, hosts=[base_url.removesuffix("/v1")])
    os.environ["REQUESTS_CA_BUNDLE"] = WORLD["ca_file"]
    exporter = OTLPSpanExporter(f"{base_url}/traces", session=session, timeout=5)
    tracer = TracerProvider().get_tracer("rows")

    def ask() -> str:
        with tracer.start_as_current_span("ask") as span:
            pass
        if exporter.export([span]) != SpanExportResult.SUCCESS:
            raise RuntimeError("SpanExportResult.FAILURE")
        return str(provider.status().spiffe_id)

    return ask


def anthropic() -> Ask:
    from anthropic import Anthropic, WorkloadIdentityCredentials

    provider = svidex.Provider.from_env(audience="https://api.anthropic.com")
    client = Anthropic(
        credentials=WorkloadIdentityCredentials(
            identity_token_provider=provider.get_token,
            federation_rule_id="fdrl_emulator",
            organization_id="00000000-0000-4000-8000-000000000000",
            service_account_id="svac_emulator",
        )
    )

    def ask() -> str:
        message = client.messages.create(model="claude", max_tokens=99, messages=QUESTION)
        return str(message.content[0].text)

    return ask
