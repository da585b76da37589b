"""What is compared with what, and which bars there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Row:
    """One comparison. IDs name measures; a row whose measures were not made is left out."""

    what: str
    ours: str
    beside: str = ""
    peer: str = ""
    # "faster": the peer's figure over ours; "share": ours over the peer's;
    # "figure": ours alone.
    show: Literal["faster", "share", "figure"] = "share"
    # At least this where it says how much faster, else at most.
    bar: float | None = None


def requests(section: str) -> list[Row]:
    """Whole requests, by the recommended line and with the SDK exchanging by itself."""
    sdk = "the SDK's own federation"
    return [
        Row("a request, token at hand", f"{section}.request", sdk, f"{section}.request_by_sdk"),
        *(
            Row(
                what, f"{section}.rotation{of}", sdk, f"{section}.rotation_by_sdk{of}", "faster"
            )
            for what, of in (
                ("first call at a rotation: p50", ""),
                # One of the two, by how many rotations there were.
                ("first call at a rotation: p99", "_p99"),
                ("the slowest of all rotations", "_slowest"),
            )
        ),
    ]


def node(runtime: str) -> list[Row]:
    """`runtime` is `node` and a major version: more than one may be measured."""
    return [
        Row(
            "warm await getToken()",
            f"{runtime}.read",
            "the SDK's cached token",
            f"{runtime}.sdk",
            bar=0.75,
        ),
        Row(
            "warm await getToken()",
            f"{runtime}.read",
            "a no-op Node-API call, no await",
            f"{runtime}.noop",
        ),
        *requests(runtime),
    ]


def sizes(measured: Iterable[str]) -> list[Row]:
    """A release's files, target by target: as many as there are in dist/."""
    # A download that is waited for in each image and each job.
    bars = {"wheel": 3e6, "npm": 2.5e6}
    words = {"npm": "npm tarball", "c": "C tarball"}
    rows = []
    for name in measured:
        section, _, rest = name.partition(".")
        if section == "size":
            target, kind = rest.split(".")
            what = f"{words.get(kind, kind)}, {target}"
            rows.append(Row(what, name, show="figure", bar=bars.get(kind)))
    return rows


# By the part of an ID before its first dot.
SECTIONS: dict[str, list[Row]] = {
    "python": [
        Row(
            "new process: import + first SVID",
            "python.first.inside",
            "py-spiffe",
            "python.first_py_spiffe.inside",
            "faster",
            bar=50,
        ),
        Row(
            "memory that this takes",
            "python.first.grown",
            "py-spiffe",
            "python.first_py_spiffe.grown",
            bar=0.1,
        ),
        Row(
            "the whole process, interpreter too",
            "python.first.wall",
            "py-spiffe",
            "python.first_py_spiffe.wall",
            "faster",
        ),
        Row(
            "warm get_token()",
            "python.read",
            "a no-op native call",
            "python.noop",
            bar=2.7,
        ),
        Row(
            "warm get_token()",
            "python.read",
            "py-spiffe: gRPC each time",
            "python.py_spiffe",
            "faster",
        ),
        Row(
            "warm access_token()",
            "python.read_access",
            "the SDK's cached token",
            "python.sdk",
        ),
        *requests("python"),
    ],
    "go": [
        Row("warm GetToken()", "go.read", "the SDK's cached token", "go.sdk", bar=1.1),
        Row("allocations of that", "go.read.allocations", show="figure", bar=0),
        Row("warm GetToken()", "go.read", "a no-op cgo call", "go.noop"),
        Row("warm GetToken(), 8 at once", "go.read_by_8", "one alone", "go.read"),
        Row(
            "warm GetToken()",
            "go.read",
            "go-spiffe: gRPC each time",
            "go.go_spiffe",
            "faster",
        ),
        Row(
            "new process until its end: first SVID",
            "go.first.wall",
            "go-spiffe",
            "go.first_gospiffe.wall",
            "faster",
        ),
        Row(
            "peak memory of that process",
            "go.first.peak",
            "go-spiffe",
            "go.first_gospiffe.peak",
        ),
        *requests("go"),
    ],
    "c": [
        Row("warm get_token, value, free", "c.read", show="figure", bar=40),
        Row(
            "warm get_token, value, free",
            "c.read",
            "clock_gettime(CLOCK_BOOTTIME)",
            "c.clock",
        ),
        Row("warm get_token, value, free", "c.read", "a no-op call", "c.nothing"),
        Row("the same by 8 threads at once", "c.read_by_8", "one alone", "c.read"),
        Row("warm token_generation", "c.generation", "a no-op call", "c.nothing"),
        Row("memory of each further provider", "c.further.memory", show="figure", bar=1e5),
        Row("descriptors of each", "c.further.descriptors", show="figure", bar=1),
    ],
}


def sections(ids: Iterable[str]) -> dict[str, list[Row]]:
    """What these measures allow to compare."""
    measured = dict.fromkeys(ids)
    found = {}
    for section in sorted({name.split(".")[0] for name in measured}, key=_order):
        if section == "size":
            rows = sizes(measured)
        else:
            rows = node(section) if section.startswith("node") else SECTIONS[section]
        found[section] = [row for row in rows if row.ours in measured]
    return found


def _order(section: str) -> tuple[int, str]:
    languages = ["python", "node", "go", "c", "size"]
    return languages.index(section.rstrip("0123456789")), section
