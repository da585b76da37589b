"""Makes one table of ratios from samples, and writes both as JSON.

usage: table.py SAMPLES.jsonl OUT.json

A ratio is taken within each round, where both sides met the same machine; what is shown
is the median of these, and the middle half of them in brackets.
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rows import Row, sections

HEADINGS = {"python": "Python", "node": "Node", "go": "Go", "c": "C", "size": "Sizes"}
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass
class Measure:
    unit: str
    samples: list[float]

    @property
    def median(self) -> float:
        return statistics.median(self.samples)


@dataclass
class Result:
    """A row, measured."""

    row: Row
    ours: str
    peer: str
    value: float
    shown: str
    bar: str
    met: bool | None

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "MISSED"}[self.met]


def quantity(value: float, unit: str) -> str:
    if unit == "bytes":
        return f"{value / 1e6:.2f} MB"
    if unit == "ns":
        for size, name in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
            if value >= size:
                return f"{value / size:.3g} {name}"
        return f"{value:.3g} ns"
    return f"{value:g}"


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def judge(row: Row, measures: dict[str, Measure]) -> Result:
    ours = measures[row.ours]
    peer = measures.get(row.peer)
    if row.show == "figure" or peer is None:
        bar = "" if row.bar is None else f"≤ {quantity(row.bar, ours.unit)}"
        met = None if row.bar is None else ours.median <= row.bar
        return Result(row, quantity(ours.median, ours.unit), "", ours.median, "", bar, met)
    pairs = zip(ours.samples, peer.samples, strict=True)
    faster = row.show == "faster"
    ratios = [b / a if faster else a / b for a, b in pairs]
    value = statistics.median(ratios)
    shown = f"{number(value)} {TIMES}" + (" faster" if faster else "")
    if len(ratios) > 1:
        low, _, high = statistics.quantiles(ratios, n=4)
        shown += f" ({number(low)} to {number(high)})"
    bar, met = "", None
    if row.bar is not None:
        bar = f"{'≥' if faster else '≤'} {row.bar:g} {TIMES}"
        met = value >= row.bar if faster else value <= row.bar
    ends = [quantity(measure.median, measure.unit) for measure in (ours, peer)]
    return Result(row, ends[0], ends[1], value, shown, bar, met)


def show(results: dict[str, list[Result]], about: dict[str, str]) -> None:
    header = ("", "svidex", "beside", "", "ratio", "bar", "")
    lines: list[tuple[str, ...]] = [header]
    for section, rows in results.items():
        text = f" ({about[section]})" if section in about else ""
        lines.append((HEADINGS[section.rstrip("0123456789")] + text,))
        for result in rows:
            lines.append(
                (
                    "  " + result.row.what,
                    result.ours,
                    result.row.beside,
                    result.peer,
                    result.shown,
                    result.bar,
                    result.verdict,
                )
            )
    widths = [max(len(line[i]) for line in lines if len(line) > 1) for i in range(len(header))]
    for line in lines:
        if len(line) == 1:
            print(f"\n{line[0]}")
            continue
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        print("  ".join(cells).rstrip())


def main() -> None:
    measures: dict[str, Measure] = {}
    about: dict[str, str] = {}
    for line in Path(sys.argv[1]).read_text().splitlines():
        entry = json.loads(line)
        if "text" in entry:
            about[entry["id"].removesuffix(".about")] = entry["text"]
        else:
            measures[entry["id"]] = Measure(entry["unit"], entry["samples"])
    results = {}
    for section, rows in sections(measures).items():
        results[section] = [judge(row, measures) for row in rows]
    show(results, about)
    barred = [result for rows in results.values() for result in rows if result.met is not None]
    missed = [result for result in barred if not result.met]
    print(f"\n{len(barred) - len(missed)} of {len(barred)} bars met", end="")
    print(
        "; MISSED: " + "; ".join(f"{r.row.what} ({r.row.ours})" for r in missed)
        if missed
        else ""
    )
    document = {
        "about": about,
        "results": {
            section: [{**asdict(result), "verdict": result.verdict} for result in rows]
            for section, rows in results.items()
        },
        "measures": {
            name: {"median": measure.median, **asdict(measure)}
            for name, measure in measures.items()
        },
    }
    Path(sys.argv[2]).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


main()
