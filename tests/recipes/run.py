#!/usr/bin/env python3
"""Runs the recipes of docs/recipes with the configuration that each page shows, against
the emulator: its proxy plays OpenAI's and Anthropic's hosts. AWS, Google and Azure have a
stand-in for their token services (stand_in.py).

usage: tests/recipes/run.py SVIDEX [NAME ...]

Every recipe is asked twice, with a rotation of the SVID in between. Prints a table;
status 1 if one of them fails.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "frameworks"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bindings/python/tests"))

import environments
from place import SVID_SECONDS, Place, commands_of
from recipes import RECIPES, Recipe

from emulator import OwnEmulator

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def a_place(recipe: Recipe, svidex: Path) -> Iterator[Place]:
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        emulator = directory / "emulator"
        emulator.mkdir()
        world = stack.enter_context(OwnEmulator(emulator))
        world.settings(
            svid_ttl_seconds=SVID_SECONDS,
            access_token_ttl_seconds=SVID_SECONDS,
            svid_repeat=False,
        )
        place = Place(directory, world, svidex, recipe.pins, stack)
        for name in (
            "anthropic",
            "aws",
            "azure",
            "caddy",
            "codex",
            "google",
            "litellm",
            "openai",
        ):
            (place.run / name).mkdir(mode=0o700, parents=True)
        yield place


def examine(recipe: Recipe, svidex: Path) -> tuple[str, str]:
    """What ran, or why it did not."""
    try:
        with a_place(recipe, svidex) as place:
            try:
                return recipe.run(place), ""
            except TimeoutError as error:
                raise TimeoutError(f"{error}: {place.log()}") from error
    except Exception as error:
        if os.environ.get("SVIDEX_RECIPES_NOISE"):
            traceback.print_exc()
        return "", "".join(traceback.format_exception_only(error)).strip()


def main() -> int:
    svidex, names = Path(sys.argv[1]).resolve(), sys.argv[2:]
    recipes = [it for it in RECIPES if not names or it.name in names]
    for pins in {it.pins for it in recipes if it.pins}:
        commands_of(pins)
    # They wait more than they work.
    with ThreadPoolExecutor(4) as pool:
        examined = list(pool.map(lambda it: examine(it, svidex), recipes))
    table = [("recipe", "version", "what ran, over a rotation", "result")]
    for recipe, (ran, trouble) in zip(recipes, examined, strict=True):
        pins, package = recipe.pins, recipe.package
        version = f" {environments.version(str(pins), package)}" if pins else ""
        result = "FAILED" if trouble else "ok"
        table.append((recipe.name, f"{package}{version}", ran, result))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(map(str.ljust, line, widths)).rstrip())
    failed = [(it.name, why) for it, (_, why) in zip(recipes, examined, strict=True) if why]
    for name, why in failed:
        print(f"FAILED {name}: {why}")
    print(f"{len(recipes) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
