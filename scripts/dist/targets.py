"""The platforms that a release is for: one table, and nothing else knows a platform's names."""

from __future__ import annotations

import platform
from dataclasses import dataclass


@dataclass(frozen=True)
class Target:
    # Rust's name, and the oldest libc that what we build for it runs on.
    triple: str
    libc: str  # "glibc", "musl" or "" (macOS has one)
    libc_version: str  # what the symbols may ask for; of macOS the system's version
    # What wheels, npm and Go call the same.
    wheel: str
    npm: str
    go: str

    @property
    def system(self) -> str:
        return "darwin" if "apple" in self.triple else "linux"

    @property
    def cpu(self) -> str:
        """As Rust says it: x86_64 or aarch64."""
        return self.triple.split("-")[0]

    @property
    def node_cpu(self) -> str:
        return self.npm.split("-")[1]

    @property
    def go_cpu(self) -> str:
        """Debian's word too."""
        return self.go.split("_")[1]

    @property
    def is_musl(self) -> bool:
        return self.libc == "musl"

    @property
    def is_stand_alone(self) -> bool:
        """Whether its command runs anywhere, without a libc of the right kind."""
        return self.libc != "glibc"

    @property
    def for_zig(self) -> str:
        """The triple with the libc to link against, as cargo-zigbuild takes it; zig's musl
        has but one version."""
        version = f".{self.libc_version}" if self.libc == "glibc" else ""
        return f"{self.triple}{version}"

    @property
    def for_zig_cc(self) -> str:
        """The same as zig itself takes it."""
        return self.for_zig.replace("-unknown", "").replace("apple-darwin", "macos")

    @property
    def shared_suffix(self) -> str:
        return ".dylib" if self.system == "darwin" else ".so"

    @property
    def system_libraries(self) -> str:
        """What a program that links libsvidex.a needs besides (glibc before 2.34 has
        these apart from libc, and all of them are parts of it since)."""
        if self.system == "darwin":
            return "-framework Security -framework CoreFoundation -liconv"
        return "-lpthread -ldl -lm" if self.libc == "glibc" else ""


def _linux(cpu: str, libc: str) -> Target:
    node_cpu, go_cpu = {"x86_64": ("x64", "amd64"), "aarch64": ("arm64", "arm64")}[cpu]
    if libc == "glibc":
        wheel = f"manylinux_2_17_{cpu}.manylinux2014_{cpu}"
        return Target(
            f"{cpu}-unknown-linux-gnu",
            libc,
            "2.17",
            wheel,
            f"linux-{node_cpu}-gnu",
            f"linux_{go_cpu}",
        )
    return Target(
        f"{cpu}-unknown-linux-musl",
        libc,
        "1.2",
        f"musllinux_1_2_{cpu}",
        f"linux-{node_cpu}-musl",
        f"linux_{go_cpu}_musl",
    )


def _macos(cpu: str, oldest: str) -> Target:
    node_cpu, go_cpu = {"x86_64": ("x64", "amd64"), "aarch64": ("arm64", "arm64")}[cpu]
    wheel_cpu = {"x86_64": "x86_64", "aarch64": "arm64"}[cpu]
    return Target(
        f"{cpu}-apple-darwin",
        "",
        oldest,
        f"macosx_{oldest.replace('.', '_')}_{wheel_cpu}",
        f"darwin-{node_cpu}",
        f"darwin_{go_cpu}",
    )


TARGETS = [
    _linux("x86_64", "glibc"),
    _linux("aarch64", "glibc"),
    _linux("x86_64", "musl"),
    _linux("aarch64", "musl"),
    # What Rust's standard library supports: 10.12 and 11.0.
    _macos("aarch64", "11.0"),
    _macos("x86_64", "10.12"),
]


def here() -> Target:
    """The target of this machine."""
    cpu = {"arm64": "aarch64", "AMD64": "x86_64"}.get(platform.machine(), platform.machine())
    system = "darwin" if platform.system() == "Darwin" else "linux"
    libc = (
        "" if system == "darwin" else "glibc" if platform.libc_ver()[0] == "glibc" else "musl"
    )
    for target in TARGETS:
        if (target.cpu, target.system, target.libc) == (cpu, system, libc):
            return target
    raise SystemExit(f"dist: svidex is not built for {cpu} {system} {libc}")


def named(names: list[str]) -> list[Target]:
    """Those of Rust's or npm's names, each once; `native` is this machine's."""
    found: list[Target] = []
    for name in names:
        matching = [
            t
            for t in TARGETS
            if name in (t.triple, t.npm) or (name == "native" and t == here())
        ]
        if not matching:
            known = ", ".join(t.npm for t in TARGETS)
            raise SystemExit(f"dist: no target {name}; there are: native, {known}")
        found += [target for target in matching if target not in found]
    return found
