"""Where SPIRE's programs are on this machine."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path


class BinariesMissing(Exception):
    """SPIRE is not installed here: the tests are skipped, not passed."""


@dataclass(frozen=True)
class Binaries:
    server: Path
    agent: Path
    discovery_provider: Path

    @classmethod
    def find(cls) -> Binaries:
        """Look in SPIRE_BIN_DIR if that is set, else on PATH.

        A SPIRE_BIN_DIR without the programs is a mistake of whoever set it and
        raises FileNotFoundError: it must not look like a skip.
        """
        chosen = os.environ.get("SPIRE_BIN_DIR")
        names = ("spire-server", "spire-agent", "oidc-discovery-provider")
        found = [shutil.which(name, path=chosen or None) for name in names]
        missing = [name for name, at in zip(names, found, strict=True) if at is None]
        if missing and chosen:
            raise FileNotFoundError(
                f"SPIRE_BIN_DIR={chosen} has no {', '.join(missing)}"
            )
        if missing:
            raise BinariesMissing(
                f"skipped: no {', '.join(missing)} on PATH (or set SPIRE_BIN_DIR)"
            )
        server, agent, provider = (Path(at).resolve() for at in found if at is not None)
        return cls(server, agent, provider)
