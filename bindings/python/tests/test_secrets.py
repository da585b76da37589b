"""No token text, whole or part, in anything that a program may print."""

from __future__ import annotations

import dataclasses
import pickle
import traceback
from typing import TYPE_CHECKING

import pytest

import svidex

if TYPE_CHECKING:
    from emulator import OwnEmulator

CANARY = "canary-7d1f0c2a9b"


def assert_absent(text: str, *tokens: str) -> None:
    for token in tokens:
        for part in token.split("."):
            # A header is the same in all tokens, and no secret in its first bytes.
            tail = part[-16:]
            assert tail not in text


def test_nothing_printable_has_a_token_in_it(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.settings(access_token=CANARY)
    subject, access = provider.get_token(), provider.access_token()
    assert access == CANARY
    status = provider.status()
    shown = [repr(provider), str(provider), f"{provider}", repr(status), str(status)]
    shown.append(repr(dataclasses.asdict(status)))
    shown.append(repr({name: getattr(provider, name) for name in dir(provider)}))
    assert_absent("\n".join(shown), subject, access)


def test_no_error_repeats_what_a_server_repeated(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    subject = provider.get_token()
    emulator.fault(
        "token_endpoint",
        status=400,
        oauth_error="invalid_grant",
        oauth_description=f"what is this: {subject}?",
    )
    with pytest.raises(svidex.ExchangeRejectedError) as raised:
        provider.access_token()
    error = raised.value
    shown = [str(error), repr(error), repr(vars(error)), repr(provider.status())]
    shown += traceback.format_exception(error)
    shown.append(pickle.dumps(error, protocol=0).decode("ascii"))
    assert_absent("\n".join(shown), subject)


def test_a_refused_argument_is_not_quoted(provider: svidex.Provider) -> None:
    with pytest.raises(svidex.InvalidConfigError) as token:
        provider.invalidate(f"{CANARY}\n")
    with pytest.raises(svidex.InvalidConfigError) as option:
        svidex.Provider(endpoint_socket="unix:///a", client_id=f"{CANARY}\ud800")
    for error in (token.value, option.value):
        shown = [str(error), repr(error), *traceback.format_exception(error)]
        # The last line of a traceback quotes this file, not the value.
        assert CANARY not in "".join(shown)
