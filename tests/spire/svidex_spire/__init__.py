"""A real SPIRE deployment on loopback, for the tests that must not trust our emulator.

`authority` runs SPIRE itself, `openai_side` the OpenAI half that trusts it,
`token_file` the sidecar, `control` the HTTP face for tests in any language.
"""

from .authority import AUDIENCE, IDENTITIES, Authority, Identity
from .binaries import Binaries, BinariesMissing
from .children import SpireError

__all__ = [
    "AUDIENCE",
    "IDENTITIES",
    "Authority",
    "Binaries",
    "BinariesMissing",
    "Identity",
    "SpireError",
]
