"""Every suite: its name, its command, and where it runs."""

from __future__ import annotations

from run import Suite

SUITES: list[Suite] = []
