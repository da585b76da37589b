"""How the tests ask a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai import OpenAI

MODEL = "gpt-5-mini"


def ask(openai: OpenAI) -> str:
    """The model's answer, which names the SPIFFE ID behind the access token."""
    return openai.responses.create(model=MODEL, input="Who am I?").output_text
