"""What a user of each SDK writes: one line of what it got, for each line of input.

usage: program.py NAME [ARGUMENT ...]
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

QUESTION = [{"role": "user", "content": "Who am I?"}]


def anthropic() -> str:
    from anthropic import Anthropic

    message = Anthropic().messages.create(model="claude", max_tokens=99, messages=QUESTION)
    return str(message.content[0].text)


def litellm() -> str:
    import litellm

    answer = litellm.completion(model="openai/gpt-5-mini", messages=QUESTION)
    return str(answer.choices[0].message.content)


def aws() -> str:
    import boto3

    credentials = boto3.Session(region_name="eu-central-1").get_credentials()
    return str(credentials.get_frozen_credentials().access_key)


def google() -> str:
    import google.auth
    from google.auth.transport.requests import Request

    scopes = ["https://www.googleapis.com/auth/cloud-platform"]
    credentials, _ = google.auth.default(scopes=scopes)
    credentials.refresh(Request())
    return str(credentials.token)


def azure() -> str:
    from azure.identity import WorkloadIdentityCredential

    credential = WorkloadIdentityCredential(disable_instance_discovery=True)
    return str(credential.get_token("https://management.azure.com/.default").token)


PROGRAMS: dict[str, Callable[..., str]] = {
    "anthropic": anthropic,
    "litellm": litellm,
    "aws": aws,
    "google": google,
    "azure": azure,
}

if __name__ == "__main__":
    for _ in sys.stdin:
        print(PROGRAMS[sys.argv[1]](*sys.argv[2:]).replace("\n", " "), flush=True)
