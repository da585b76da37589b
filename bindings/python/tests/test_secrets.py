"""No token text, whole or part, in anything that a program may print."""

from __future__ import annotations

import dataclasses
import pickle
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


JWT = "eyJhbGciOiJFUzI1NiIsImtpZCI6ImNhbmFyeSJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5LWNhbmFyeQ"


@pytest.mark.parametrize("secret", [JWT, f"Bearer {JWT}", "sk-proj-0123456789abcdef"])
def test_a_token_in_the_wrong_place_is_not_quoted(
    provider: svidex.Provider, secret: str
) -> None:
    made: Any = svidex.Provider
    made_already: Any = provider
    attempts: list[Any] = [
        lambda: made(**{secret: 1}),
        lambda: made.from_env(**{secret: 1}),
        lambda: made(identity_token_file=Path(secret)),
        lambda: made(secret),
        lambda: made_already.get_token(timeout=secret),
        lambda: made_already.invalidate(secret, secret),
    ]
    attempts += [
        lambda name=name: made(**{name: secret}) for name in svidex.Options.__annotations__
    ]
    for attempt in attempts:
        with pytest.raises((TypeError, ValueError)) as raised:
            attempt()
        error = raised.value
        shown = [str(error), repr(error), *traceback.format_exception(error)]
        assert_absent("".join(shown), secret)


def test_a_token_in_a_variable_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIFFE_ENDPOINT_SOCKET", "unix:///run/agent.sock")
    for name in ("OPENAI_IDENTITY_TOKEN_FILE", "SVIDEX_AUDIENCE", "SSL_CERT_FILE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, JWT)
            with pytest.raises(svidex.InvalidConfigError, match=name) as raised:
                svidex.Provider.from_env()
        assert_absent("".join(traceback.format_exception(raised.value)), JWT)
