"""What the documents tell a newcomer to paste works when pasted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from emulator import Emulator

REPOSITORY = Path(__file__).resolve().parents[3]


def first_example(document: Path) -> str:
    _, _, rest = document.read_text().partition("```python\n")
    code, _, _ = rest.partition("```")
    assert code
    return code


@pytest.mark.parametrize("document", ["README.md", "bindings/python/README.md"])
def test_the_first_example(document: str, world: Emulator) -> None:
    code = first_example(REPOSITORY / document)
    assert len(code.splitlines()) <= 10
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"{world.info['spiffe_ids'][0]} -> ")


def test_the_demo(world: Emulator) -> None:
    program = REPOSITORY / "bindings/python/demo.py"
    ran = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.count(world.info["spiffe_ids"][0]) == 2
    assert ran.stdout.count(" s left") == 2
