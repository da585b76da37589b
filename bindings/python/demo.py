"""Asks a model who we are, with nothing but a SPIFFE identity and the environment."""

import svidex
from svidex.openai import OpenAI

with svidex.Provider.from_env() as provider:
    client = OpenAI(provider)
    answer = client.responses.create(model="gpt-5-mini", input="Who am I?").output_text

    status = provider.status()
    assert status.subject_token
    assert status.access_token
    print(f"SPIFFE ID:    {status.spiffe_id}")
    print(f"JWT-SVID:     {status.subject_token.expires_in_seconds:.0f} s left")
    print(f"access token: {status.access_token.expires_in_seconds:.0f} s left")
    print(f"answer:       {answer}")
