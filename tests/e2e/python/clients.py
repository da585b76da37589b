"""The ways into OpenAI's SDK: our client, its exchange with our SVID, our access token."""

from __future__ import annotations

import pytest
import svidex.openai
from openai import AsyncOpenAI, OpenAI

MODEL = "gpt-5-mini"

every_way = pytest.mark.parametrize("way", ["client", "callback", "access token"])


def client(way: str, provider: svidex.Provider) -> OpenAI:
    if way == "client":
        return svidex.openai.OpenAI(provider)
    if way == "callback":
        return OpenAI(workload_identity=provider.workload_identity())
    return OpenAI(api_key=provider.access_token)


def async_client(way: str, provider: svidex.Provider) -> AsyncOpenAI:
    if way == "client":
        return svidex.openai.AsyncOpenAI(provider)
    if way == "callback":
        return AsyncOpenAI(workload_identity=provider.workload_identity())
    return AsyncOpenAI(api_key=provider.access_token_async)


def ask(openai: OpenAI) -> str:
    """The model's answer, which names the SPIFFE ID behind the access token."""
    return openai.responses.create(model=MODEL, input="Who am I?").output_text
