"""What stands between this process and an access token, step by step."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from ._svidex import Examination

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from ._options import Options
    from ._svidex import Provider

Outcome: TypeAlias = Literal["ok", "warning", "failed", "skipped"]

# How often a wait looks up: an examination takes many times as long.
_SLICE_SECONDS = 0.02


@dataclass(frozen=True)
class Check:
    """One step. Nothing in it is text of a token."""

    id: str
    """Which step, such as `svid_aud`. There may be more of them in a later version."""
    outcome: Outcome
    """`warning`: it works, or may work, and is worth a look."""
    seen: str
    """What was seen, or why nothing was."""
    advice: Sequence[str]
    """What to do, the likeliest first; never empty for `warning` and `failed`."""


@dataclass(frozen=True)
class Report:
    """All steps of one examination, in their order. `str(report)` is for people."""

    svidex: str
    """The version of svidex."""
    at_unix_ms: int
    """When it began: Unix time in milliseconds."""
    healthy: bool
    """No check failed."""
    checks: Sequence[Check]
    _text: str = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self._text

    def check(self, id: str) -> Check | None:  # noqa: A002 (the name of the field)
        """The check with that ID, if it was looked at."""
        return next((check for check in self.checks if check.id == id), None)


def doctor(
    *,
    jwks_file: str | os.PathLike[str] | None = None,
    admin_key_env: str | None = None,
    **overrides: Unpack[Options],
) -> Report:
    """Tries every step from the configuration to the access token once, and says what
    to do about what is wrong.

    It looks at what `Provider.from_env(**overrides)` would be made of; settings that
    none can be made of are the first finding. It fetches one SVID, looks its issuer's
    keys up, exchanges it once if the two IDs are set, and compares the clocks.

    `jwks_file` is the JWKS that an administrator uploads, or has uploaded, to the
    Workload Identity Provider: it is looked at, too. `admin_key_env` is the name of the
    environment variable with an admin key of the organization: the Workload Identity
    Provider and its mappings are compared, too. The key is never shown, and goes to
    OpenAI's API alone.

    Blocks for the time of a few requests, each with `request_timeout_seconds`; signals
    are handled meanwhile. Raises `svidex.Error` only if the system has no room for it.
    """
    return _examine(None, jwks_file, admin_key_env, overrides)


async def doctor_async(
    *,
    jwks_file: str | os.PathLike[str] | None = None,
    admin_key_env: str | None = None,
    **overrides: Unpack[Options],
) -> Report:
    """Like `doctor`, for an event loop (asyncio's kind, or trio).

    Cancelling the task ends the examination.
    """
    return await _examine_async(None, jwks_file, admin_key_env, overrides)


def _examine(
    provider: Provider | None,
    jwks_file: str | os.PathLike[str] | None,
    admin_key_env: str | None,
    options: Options | None,
) -> Report:
    examination = Examination.begin(provider, jwks_file, admin_key_env, options)
    while (ended := examination.poll()) is None:
        # Of the module: what gevent puts in its place lets others run.
        time.sleep(_SLICE_SECONDS)
    return _parse(*ended)


async def _examine_async(
    provider: Provider | None,
    jwks_file: str | os.PathLike[str] | None,
    admin_key_env: str | None,
    options: Options | None,
) -> Report:
    from ._event_loop import in_trio

    if in_trio():
        sleep = sys.modules["trio"].sleep
    else:
        from asyncio import sleep
    examination = Examination.begin(provider, jwks_file, admin_key_env, options)
    # Without descriptors, threads or callbacks: a loop of any kind can do this.
    while (ended := examination.poll()) is None:  # noqa: ASYNC110
        await sleep(_SLICE_SECONDS)
    return _parse(*ended)


def _parse(text: str, for_people: str) -> Report:
    fields = json.loads(text)
    checks = tuple(
        Check(**{**it, "advice": tuple(it["advice"])}) for it in fields.pop("checks")
    )
    return Report(checks=checks, _text=for_people, **fields)


for _public in (Check, Report, doctor, doctor_async):
    _public.__module__ = "svidex"
