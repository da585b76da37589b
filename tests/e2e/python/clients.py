"""The two ways into OpenAI's SDK: its exchange with our SVID, or our access token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from openai import AsyncOpenAI, OpenAI

if TYPE_CHECKING:
    import svidex

MODEL = "gpt-5-mini"

both_ways = pytest.mark.parametrize("way", ["callback", "access token"])


def client(way: str, provider: svidex.Provider) -> OpenAI:
    if way == "callback":
        return OpenAI(workload_identity=provider.workload_identity())
    return OpenAI(api_key=provider.access_token)


def async_client(way: str, provider: svidex.Provider) -> AsyncOpenAI:
    if way == "callback":
        return AsyncOpenAI(workload_identity=provider.workload_identity())
    return AsyncOpenAI(api_key=provider.access_token_async)


def ask(openai: OpenAI) -> str:
    """The model's answer, which names the SPIFFE ID behind the access token."""
    return openai.responses.create(model=MODEL, input="Who am I?").output_text
