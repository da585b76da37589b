"""A web application that gunicorn loads once, before it forks its workers."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import svidex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

provider = svidex.Provider.from_env()
# Warm before the fork: the runtime has threads, and connections are open.
provider.access_token()


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/new":
        provider.invalidate(provider.get_token())
    provider.get_token()
    provider.access_token()
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"pid": os.getpid(), "fetches": provider.status().fetches}).encode()]
