"""What a page of docs/recipes shows, for a test to use as it stands.

Only what a machine has otherwise is put in: paths below /run, the owner of a file, and
the placeholders that a reader fills in. What is to be replaced and is not there is an
error, so that page and test cannot drift apart.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "docs/recipes"


def block(page: str, language: str, having: str = "") -> str:
    """The one code block of that language that has these words."""
    text = (PAGES / page).read_text()
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```$", text, re.MULTILINE | re.DOTALL)
    wanted = [body for _, body in found if having in body]
    if len(wanted) != 1:
        raise LookupError(f"{page}: {len(wanted)} blocks of {language} with {having!r}")
    return wanted[0]


def put(text: str, **values: str) -> str:
    """Placeholders, by the words in capitals that the page has for them."""
    for name, value in values.items():
        text = replaced(text, name, value)
    return text


def replaced(text: str, old: str, new: str) -> str:
    if old not in text:
        raise LookupError(f"the page has no {old!r} any more")
    return text.replace(old, new)


def bridge_arguments(script: str, directory: Path) -> list[str]:
    """Of the page's `svidex bridge`, with files in DIRECTORY and no other owner."""
    lines = [it for it in script.splitlines() if it.startswith("svidex bridge ")]
    if len(lines) != 1:
        raise LookupError(f"{len(lines)} bridges")
    words = shlex.split(lines[0].rstrip("& "))[1:]
    if "--owner" in words:
        at = words.index("--owner")
        del words[at : at + 2]
    return [below(it, directory) for it in words]


def below(text: str, directory: Path) -> str:
    """With DIRECTORY in the place of /run."""
    return re.sub(r"/run(?=/\w)", str(directory), text)


def variables(script: str, directory: Path, **placeholders: str) -> dict[str, str]:
    """What the page's `export` lines set; those that end in an ellipsis are given."""
    found = {}
    for line in script.splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] != ["export"]:
            continue
        for word in words[1:]:
            name, _, value = word.partition("=")
            if "…" in value:
                value = placeholders.pop(name)
            found[name] = below(value, directory)
    if placeholders:
        raise LookupError(f"the page does not set {', '.join(placeholders)}")
    return found
