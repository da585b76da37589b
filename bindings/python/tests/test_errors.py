"""Every kind of error, with its cause."""

from __future__ import annotations

import builtins
import pickle
from typing import TYPE_CHECKING, get_args

import pytest

import svidex
from svidex import _svidex

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MakeProvider
    from emulator import OwnEmulator


def test_source_unavailable_names_the_socket(
    make_provider: MakeProvider, tmp_path: Path
) -> None:
    socket = f"unix://{tmp_path}/nobody.sock"
    with pytest.raises(svidex.SourceUnavailableError) as raised:
        make_provider(endpoint_socket=socket).get_token(timeout=0.5)
    assert raised.value.kind == "source_unavailable"
    assert f"{tmp_path}/nobody.sock" in str(raised.value)
    assert raised.value.retryable


def test_source_unavailable_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    with (
        svidex.Provider(identity_token_file=path) as provider,
        pytest.raises(svidex.SourceUnavailableError) as raised,
    ):
        provider.get_token(timeout=0.5)
    assert str(path) in str(raised.value)


def test_permission_denied(provider: svidex.Provider, emulator: OwnEmulator) -> None:
    emulator.fault("workload_api", grpc_code="PermissionDenied")
    # A registration may be on its way: the caller's deadline ends the wait.
    with pytest.raises(svidex.PermissionDeniedError) as raised:
        provider.get_token(timeout=0.3)
    assert raised.value.kind == "permission_denied"
    assert not raised.value.retryable


def test_an_expired_svid_is_an_invalid_subject_token(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.settings(svid_clock_offset_seconds=-3600)
    with pytest.raises(svidex.InvalidSubjectTokenError, match="exp") as raised:
        provider.get_token(timeout=0.3)
    assert raised.value.kind == "invalid_subject_token"


def test_exchange_rejected_has_the_oauth_code(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.fault("token_endpoint", status=403, oauth_error="access_denied")
    with pytest.raises(svidex.ExchangeRejectedError) as raised:
        provider.access_token()
    error = raised.value
    assert (error.kind, error.http_status, error.oauth_code) == (
        "exchange_rejected",
        403,
        "access_denied",
    )
    assert not error.retryable
    # The other token is none the worse for it.
    assert provider.get_token()


def test_exchange_unavailable_has_the_status_and_retry_after(
    provider: svidex.Provider, emulator: OwnEmulator
) -> None:
    emulator.fault("token_endpoint", status=503, headers={"Retry-After": "7"})
    with pytest.raises(svidex.ExchangeUnavailableError) as raised:
        provider.access_token(timeout=1)
    error = raised.value
    assert (error.kind, error.http_status, error.retry_after) == (
        "exchange_unavailable",
        503,
        7.0,
    )
    assert error.retryable


def test_timeout_is_also_the_built_in(provider: svidex.Provider, emulator: OwnEmulator) -> None:
    emulator.fault("token_endpoint", hang=True)
    with pytest.raises(builtins.TimeoutError) as raised:
        provider.access_token(timeout=0.1)
    assert isinstance(raised.value, svidex.TimeoutError)
    assert raised.value.kind == "timeout"
    assert raised.value.retryable


def test_cancelled(provider: svidex.Provider, emulator: OwnEmulator) -> None:
    emulator.hold("workload_api")
    mailbox = _svidex.Mailbox()
    operation = provider._start(_svidex.TokenKind.SUBJECT, mailbox, None)
    emulator.wait_until_held("workload_api")
    operation.cancel()
    operation.cancel()
    answers: list[tuple[int, str | svidex.Error]] = []
    while not answers:
        answers = mailbox.collect()
    [(ticket, error)] = answers
    assert ticket == operation.ticket
    assert isinstance(error, svidex.CancelledError)
    assert error.kind == "cancelled"


def test_a_panic_is_an_internal_error() -> None:
    # Not PyO3's PanicException, which `except Exception` would not see.
    with pytest.raises(svidex.InternalError) as raised:
        _svidex._panic()
    assert raised.value.kind == "internal"
    assert isinstance(raised.value, Exception)


def test_there_is_one_class_for_each_kind() -> None:
    kinds = get_args(svidex.ErrorKind)
    classes = svidex.Error.__subclasses__()
    assert [cls.kind for cls in classes] == list(kinds)
    assert {cls.__name__ for cls in classes} <= set(svidex.__all__)


@pytest.mark.parametrize("cls", svidex.Error.__subclasses__())
def test_errors_can_be_pickled(cls: type[svidex.Error]) -> None:
    error = cls(
        "why", http_status=400, oauth_code="invalid_grant", retry_after=2.5, retryable=True
    )
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == "why"
    assert vars(copy) == vars(error)


def test_a_traceback_has_the_names_that_a_program_catches() -> None:
    classes: list[type[svidex.Error]] = [svidex.Error, *svidex.Error.__subclasses__()]
    for cls in classes:
        assert getattr(svidex, cls.__name__, None) is cls, cls
        assert f"{cls.__module__}.{cls.__qualname__}" == f"svidex.{cls.__name__}"
    with pytest.raises(svidex.InternalError, match=r"github\.com/svidex/svidex/issues"):
        _svidex._panic()
