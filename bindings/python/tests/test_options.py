"""What a provider is made from, and what is refused, by name."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import svidex

if TYPE_CHECKING:
    from emulator import OwnEmulator

TEXT_OPTIONS = [
    "endpoint_socket",
    "identity_token_file",
    "access_token_file",
    "audience",
    "spiffe_id",
    "hint",
    "identity_provider_id",
    "service_account_id",
    "client_id",
    "token_endpoint",
    "ca_file",
]
NUMBER_OPTIONS = ["refresh_buffer_seconds", "request_timeout_seconds", "call_timeout_seconds"]

BAD_TEXT = {
    "NUL": "a\0b",
    "lone surrogate": "a\ud800b",
    "undecodable byte of a file name": "a\udcffb",
    "line feed": "a\nb",
    "carriage return": "a\rb",
    "a mebibyte": "a" * (1 << 20),
    "empty": "",
    "blank": "  ",
}

BAD_NUMBERS = [0, -1, 86_401, float("nan"), float("inf"), -float("inf"), 10**400]


def options_with(name: str, value: object) -> dict[str, Any]:
    """Good ones but for this."""
    source = (
        {} if name == "identity_token_file" else {"endpoint_socket": "unix:///run/agent.sock"}
    )
    return {**source, name: value}


def test_every_option_is_tested_here() -> None:
    assert sorted(svidex.Options.__annotations__) == sorted(TEXT_OPTIONS + NUMBER_OPTIONS)


@pytest.mark.parametrize("name", TEXT_OPTIONS)
@pytest.mark.parametrize("value", BAD_TEXT.values(), ids=BAD_TEXT.keys())
@pytest.mark.parametrize("make", [svidex.Provider, svidex.Provider.from_env])
def test_bad_text_is_refused_by_name(make: Any, name: str, value: str) -> None:
    with pytest.raises(svidex.InvalidConfigError) as raised:
        make(**options_with(name, value))
    message = str(raised.value)
    assert name in message
    assert len(message) < 500
    assert message.isprintable()


@pytest.mark.parametrize("name", NUMBER_OPTIONS)
@pytest.mark.parametrize("value", BAD_NUMBERS)
def test_bad_numbers_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(svidex.InvalidConfigError, match=name):
        svidex.Provider(**options_with(name, value))


@pytest.mark.parametrize("name", TEXT_OPTIONS)
@pytest.mark.parametrize("value", [b"bytes", 1, True, 1.5, ["a"], object()])
def test_text_of_another_type_is_a_type_error(name: str, value: object) -> None:
    with pytest.raises(
        TypeError, match=f"^{name} must be a str.*, not {type(value).__name__}$"
    ):
        svidex.Provider(**options_with(name, value))


@pytest.mark.parametrize("name", NUMBER_OPTIONS)
@pytest.mark.parametrize("value", ["1", b"1", True, [1], object()])
def test_numbers_of_another_type_are_a_type_error(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a number of seconds"):
        svidex.Provider(**options_with(name, value))


def test_a_path_that_breaks_raises_its_own_error() -> None:
    class Broken:
        def __fspath__(self) -> str:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        svidex.Provider(identity_token_file=Broken())


def test_an_uri_is_not_a_path() -> None:
    with pytest.raises(TypeError, match="endpoint_socket must be a str, not PosixPath"):
        svidex.Provider(endpoint_socket=Path("/run/agent.sock"))  # type: ignore[arg-type]


def test_an_unknown_option_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'socket'"):
        svidex.Provider(socket="unix:///run/agent.sock")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="unexpected keyword argument 'socket'"):
        svidex.Provider.from_env(socket="unix:///run/agent.sock")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="positional"):
        svidex.Provider("unix:///run/agent.sock")  # type: ignore[call-arg]


def test_none_is_the_same_as_left_out() -> None:
    everything: dict[str, Any] = dict.fromkeys(TEXT_OPTIONS + NUMBER_OPTIONS)
    everything["endpoint_socket"] = "unix:///run/agent.sock"
    provider = svidex.Provider(**everything)
    assert provider.status().audience == "https://api.openai.com/v1"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({}, "endpoint_socket"),
        ({"endpoint_socket": "unix:relative.sock"}, "absolute"),
        ({"endpoint_socket": "/run/agent.sock"}, "unix:///run/agent.sock"),
        ({"endpoint_socket": "unix:///a", "identity_token_file": "/b"}, "one source"),
        ({"identity_token_file": "/"}, "directory"),
        ({"endpoint_socket": "unix:///a", "token_endpoint": "http://example.org/"}, "https"),
        ({"endpoint_socket": "unix:///a", "spiffe_id": "worker"}, "spiffe://"),
        ({"endpoint_socket": "unix:///a", "identity_provider_id": "<your id>"}, "placeholder"),
    ],
)
def test_what_makes_no_sense_is_refused_when_the_provider_is_made(
    options: dict[str, Any], what: str
) -> None:
    with pytest.raises(ValueError, match=what) as raised:
        svidex.Provider(**options)
    assert type(raised.value) is svidex.InvalidConfigError


def test_from_env_reads_the_environment_and_the_constructor_does_not(
    emulator: OwnEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in emulator.environment.items():
        monkeypatch.setenv(name, value)
    with svidex.Provider.from_env() as provider:
        assert provider.access_token()
    with svidex.Provider.from_env(audience="https://elsewhere.example") as provider:
        assert provider.status().audience == "https://elsewhere.example"
    with pytest.raises(svidex.InvalidConfigError):
        svidex.Provider()


@pytest.mark.parametrize("timeout", [-1, -1e-9, 86_401, float("nan"), float("inf"), 10**400])
def test_a_bad_timeout_is_refused_warm_or_cold(
    provider: svidex.Provider, timeout: float
) -> None:
    for _ in range(2):
        with pytest.raises(svidex.InvalidConfigError, match="timeout"):
            provider.get_token(timeout=timeout)
        with pytest.raises(svidex.InvalidConfigError, match="timeout"):
            provider.access_token(timeout=timeout)
        provider.access_token()


@pytest.mark.parametrize("timeout", ["1", True, b"1"])
def test_a_timeout_of_another_type_is_a_type_error(
    provider: svidex.Provider, timeout: Any
) -> None:
    with pytest.raises(TypeError, match="timeout must be a number of seconds"):
        provider.get_token(timeout=timeout)


@pytest.mark.parametrize("token", [*BAD_TEXT.values(), "é", "a b"])
def test_what_cannot_be_a_token_cannot_be_invalidated(
    provider: svidex.Provider, token: str
) -> None:
    with pytest.raises(svidex.InvalidConfigError, match=r"^token "):
        provider.invalidate(token)


@pytest.mark.parametrize("token", [None, b"token", 1])
def test_a_token_of_another_type_is_a_type_error(provider: svidex.Provider, token: Any) -> None:
    with pytest.raises(TypeError, match="token must be a str"):
        provider.invalidate(token)


def test_a_provider_is_not_pickled(provider: svidex.Provider) -> None:
    for attempt in (pickle.dumps, lambda provider: provider.__reduce__()):
        with pytest.raises(TypeError, match="make one in each process"):
            attempt(provider)


def test_pydantic_takes_the_typed_dicts() -> None:
    pydantic = pytest.importorskip("pydantic")
    model = pydantic.create_model("Settings", options=(svidex.Options, ...))
    assert model(options={"audience": "mine"}).options == {"audience": "mine"}
    pydantic.TypeAdapter(svidex.WorkloadIdentity)
