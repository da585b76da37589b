#!/usr/bin/env python3
"""What a bridge takes from its host: resident memory and processor time with one file and
with six, over rotations, and the size of the command. The figures behind the requests and
limits of deploy/.

usage: tests/deploy/resources.py SVIDEX

Prints a table; status 1 above a bar. SVIDEX is a release's, or compiled like one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bindings/python/tests"))

from emulator import OwnEmulator

SVID_SECONDS = 6
ROTATIONS = 10
MOST_RESIDENT_MB = 12
MOST_COMMAND_MB = 8
MB = 1_000_000
HOSTS_CAS = [Path("/etc/ssl/certs/ca-certificates.crt"), Path("/etc/pki/tls/cert.pem")]


@dataclass
class Cost:
    """Of a bridge's life until now."""

    resident: int
    most_resident: int
    processor_seconds: float
    threads: int
    descriptors: int

    @classmethod
    def of(cls, pid: int) -> Cost:
        process = Path("/proc") / str(pid)
        status = dict(
            line.split(":", 1) for line in (process / "status").read_text().splitlines()
        )
        # After the name, which may hold blanks: utime and stime are fields 14 and 15.
        fields = (process / "stat").read_text().rpartition(")")[2].split()
        ticks = int(fields[11]) + int(fields[12])
        return cls(
            int(status["VmRSS"].split()[0]) * 1024,
            int(status["VmHWM"].split()[0]) * 1024,
            ticks / os.sysconf("SC_CLK_TCK"),
            int(status["Threads"]),
            len(list((process / "fd").iterdir())),
        )


def configuration(directory: Path, files: int) -> str:
    """An access token, and SVIDs for other audiences."""
    text = f'[[access_token]]\npath = "{directory}/token"\n'
    for number in range(1, files):
        text += f'[[svid]]\npath = "{directory}/{number}"\naudience = "https://{number}.example"\n'
    return text


def trust(directory: Path, ca_file: str) -> Path:
    """The emulator's CA, and as many others as a host has: they are held in memory."""
    everybody = directory / "ca.pem"
    texts = [Path(ca_file).read_text()]
    texts += [it.read_text() for it in HOSTS_CAS if it.exists()]
    everybody.write_text("\n".join(texts))
    return everybody


def measure(svidex: str, files: int) -> tuple[Cost, Cost]:
    """When all files were written for the first time, and ROTATIONS later."""
    with tempfile.TemporaryDirectory() as name, OwnEmulator(Path(name)) as world:
        world.settings(
            svid_ttl_seconds=SVID_SECONDS,
            access_token_ttl_seconds=SVID_SECONDS,
            svid_repeat=False,
        )
        kept = Path(name) / "kept"
        kept.mkdir(mode=0o700)
        config = Path(name) / "bridge.toml"
        config.write_text(configuration(kept, files))
        ready = kept / "ready"
        environment = {
            **world.environment,
            "SSL_CERT_FILE": str(trust(Path(name), world.info["ca_file"])),
        }
        words = [svidex, "bridge", "--config", str(config), "--ready-file", str(ready)]
        bridge = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
        try:
            give_up = time.monotonic() + 60
            while not ready.exists():
                if bridge.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError("the bridge is not ready")
                time.sleep(0.02)
            first = Cost.of(bridge.pid)
            exchanges = world.counters()["exchanges_ok"]
            give_up += 2 * ROTATIONS * SVID_SECONDS
            while world.counters()["exchanges_ok"] < exchanges + ROTATIONS:
                if time.monotonic() > give_up:
                    raise RuntimeError("nothing is rotated")
                time.sleep(0.1)
            return first, Cost.of(bridge.pid)
        finally:
            bridge.kill()
            bridge.wait()


def main() -> int:
    svidex = str(Path(sys.argv[1]).resolve())
    size = Path(svidex).stat().st_size
    print(f"the command: {size / MB:.1f} MB (at most {MOST_COMMAND_MB})")
    failures = int(size > MOST_COMMAND_MB * MB)
    print(
        "files  ready MB  later MB  most MB  CPU ms at start  CPU ms a rotation  threads  fds"
    )
    for files in (1, 6):
        first, later = measure(svidex, files)
        started = first.processor_seconds * 1_000
        rotation = (
            (later.processor_seconds - first.processor_seconds) * 1_000 / ROTATIONS
        )
        print(
            f"{files:5}  {first.resident / MB:8.1f}  {later.resident / MB:8.1f}  "
            f"{later.most_resident / MB:7.1f}  {started:15.0f}  {rotation:17.1f}  "
            f"{later.threads:7}  {later.descriptors:3}"
        )
        failures += later.most_resident > MOST_RESIDENT_MB * MB
    print(f"resident at most {MOST_RESIDENT_MB} MB; {ROTATIONS} rotations")
    print(f"resources: {3 - failures} passed, {failures} failed")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
