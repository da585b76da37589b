"""The vectors that every language runs: one list of settings, one set of errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import svidex
from svidex._errors import make

VECTORS = Path(__file__).resolve().parents[3] / "tests/vectors"


def load(name: str) -> list[Any]:
    vectors = json.loads((VECTORS / f"{name}.json").read_text(), object_hook=_plain)
    return [pytest.param(v["given"], v["expected"], id=v["id"]) for v in vectors]


def _plain(member: dict[str, Any]) -> object:
    """The two notations of their own, and no remarks."""
    if set(member) == {"text", "times"}:
        return member["text"] * member["times"]
    if set(member) == {"number"}:
        return float(member["number"])
    return {name: value for name, value in member.items() if not name.startswith("_")}


def check_words(error: svidex.Error, expected: dict[str, Any]) -> None:
    assert error.kind == expected["error_kind"]
    for words in expected.get("message_contains", ()):
        assert words in str(error)
    for words in expected.get("message_lacks", ()):
        assert words not in str(error)


@pytest.mark.parametrize(("given", "expected"), load("config"))
def test_settings(
    given: dict[str, Any], expected: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.get("env", {}).items():
        monkeypatch.setenv(name, value)
    make_provider = svidex.Provider.from_env if given.get("from_env") else svidex.Provider
    if "error_kind" in expected:
        with pytest.raises(svidex.Error) as raised:
            make_provider(**given["config"])
        return check_words(raised.value, expected)

    ok = expected["ok"]
    with make_provider(**given["config"]) as provider:
        status = provider.status()
        for name in ("source", "audience"):
            assert getattr(status, name) == ok.get(name, getattr(status, name))
        if ok.get("warnings_contain") == []:
            assert not status.warnings
        for words in ok.get("warnings_contain", ()):
            assert any(words in warning for warning in status.warnings)
        if "workload_identity" in ok:
            check_workload_identity(provider, ok["workload_identity"])
        if "access_token_error" in ok:
            with pytest.raises(svidex.Error) as raised:
                provider.access_token()
            check_words(raised.value, ok["access_token_error"])
    return None


def check_workload_identity(provider: svidex.Provider, expected: dict[str, Any]) -> None:
    shown = dict(provider.workload_identity())
    assert shown.pop("provider")
    # OpenAI's SDK for Python has no place for it.
    expected.pop("client_id", None)
    assert shown == {name: value for name, value in expected.items() if value is not None}


@pytest.mark.parametrize(("given", "expected"), load("errors"))
def test_errors(given: dict[str, Any], expected: dict[str, Any]) -> None:
    error = make(given["kind"], "why", None, None, None, False)
    assert type(error) is getattr(svidex, expected["python_class"])
    bases = {
        base for base in type(error).__mro__[1:] if base.__name__ in expected["python_bases"]
    }
    assert {base.__name__ for base in bases} == set(expected["python_bases"])
    assert svidex.Error in bases
    assert error.kind == given["kind"]


def test_there_is_a_vector_for_every_kind() -> None:
    kinds = {param.values[0]["kind"] for param in load("errors")}
    assert kinds == {cls.kind for cls in svidex.Error.__subclasses__()}


@pytest.mark.parametrize(("given", "expected"), load("event_kinds"))
def test_event_kinds_are_told_of(given: dict[str, str], expected: dict[str, list[str]]) -> None:
    # Records have the core's own name; what there is to know is for readers.
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert f"`{given['kind']}`" in readme
    assert set(expected["levels"]) <= {"debug", "info", "warning", "error"}
