"""`TypedDict`, such that pydantic takes it before Python 3.12.

There it insists on the one of typing_extensions, which it brings along; nobody else
needs that package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TypedDict
else:
    try:
        from typing_extensions import TypedDict
    except ImportError:
        from typing import TypedDict

__all__ = ["TypedDict"]
