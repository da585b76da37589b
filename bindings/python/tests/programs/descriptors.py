"""Uses up all descriptors and calls whatever may want one; ends with 0 when all is well."""

from __future__ import annotations

import asyncio
import importlib
import os
import resource
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import svidex

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def none_left() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    held = []
    try:
        while True:
            try:
                held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                break
        yield
    finally:
        for descriptor in held:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def check(error: svidex.Error) -> None:
    assert type(error) is svidex.SourceUnavailableError, repr(error)
    assert error.retryable
    assert "file descriptors" in str(error), error


async def main() -> None:
    provider = svidex.Provider.from_env()
    # Once without the module that waits, once with it and without its sockets.
    for imported in (False, True):
        assert ("svidex._event_loop" in sys.modules) is imported
        with none_left():
            try:
                await provider.get_token_async()
            except svidex.Error as error:
                check(error)
            else:
                raise AssertionError("there was a descriptor")
            if not imported:
                for call in (provider.status, provider.workload_identity):
                    try:
                        call()
                    except svidex.Error as error:
                        check(error)
        if not imported:
            importlib.import_module("svidex._event_loop")
    assert await provider.get_token_async()
    assert provider.status().fetches == 1
    assert provider.workload_identity()


asyncio.run(main())
