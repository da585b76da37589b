#!/usr/bin/env python3
"""Runs a command where file systems and name servers hang.

usage: tests/hangs/hangs.py COMMAND …

In the command's environment,
- SVIDEX_HUNG_FILES names six files, with colons in between, that open(2) waits for
  as for those of a dead network file system: a watcher is asked (fanotify(7)), and
  keeps silent;
- the addresses of SVIDEX_HUNG_NAME, and of all names below it, are asked of a name
  server that keeps silent too. The network is the command's own, with nothing in it
  but the loopback device.

Exit status: the command's; 77 where this process may not do that, with the reason.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77
FILES = 6
NAME = "hung.example.test"
# For as long as anybody waits here.
RESOLV_CONF = "nameserver 127.0.0.53\noptions timeout:30 attempts:5\n"

# linux/fanotify.h
FAN_CLOEXEC, FAN_CLASS_CONTENT = 0x1, 0x4
FAN_MARK_ADD, FAN_OPEN_PERM = 0x1, 0x10000
AT_FDCWD = -100
# linux/sched.h, linux/mount.h
CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
# linux/sockios.h, linux/if.h
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1

libc = ctypes.CDLL(None, use_errno=True)


def must(what: str, result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return result


def hang_files(directory: Path) -> list[Path]:
    """They hang until this process has ended."""
    events = must(
        "fanotify_init",
        libc.fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC, os.O_RDONLY),
    )
    paths = [directory / f"token-{number}" for number in range(FILES)]
    for path in paths:
        path.write_text("nobody reads this\n")
        mask = ctypes.c_uint64(FAN_OPEN_PERM)
        marked = libc.fanotify_mark(events, FAN_MARK_ADD, mask, AT_FDCWD, bytes(path))
        must("fanotify_mark", marked)
    return paths


def hang_names(directory: Path) -> list[socket.socket]:
    """They hang for as long as the sockets are kept."""
    must("unshare", libc.unshare(CLONE_NEWNS | CLONE_NEWNET))
    must("mount", libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None))
    for name, text in (
        ("resolv.conf", RESOLV_CONF),
        ("nsswitch.conf", "hosts: files dns\n"),
    ):
        ours = directory / name
        ours.write_text(text)
        theirs = Path("/etc") / name
        # Without one, all systems ask 127.0.0.1.
        if theirs.exists():
            mounted = libc.mount(bytes(ours), bytes(theirs), None, MS_BIND, None)
            must("mount", mounted)
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    servers = []
    for address in ("127.0.0.1", "127.0.0.53"):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        server.bind((address, 53))
        servers.append(server)
    return servers


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        # The system under test may be somebody else.
        directory.chmod(0o755)
        try:
            files = hang_files(directory)
            servers = hang_names(directory)
        except (OSError, AttributeError) as error:
            print(
                f"skipped: nothing can be made to hang here ({error})", file=sys.stderr
            )
            return SKIPPED
        environment = dict(
            os.environ,
            SVIDEX_HUNG_FILES=":".join(map(str, files)),
            SVIDEX_HUNG_NAME=NAME,
        )
        # What ends us is for the command; we end after it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        command = subprocess.run(sys.argv[1:], env=environment, check=False)
        for server in servers:
            server.close()
        return command.returncode if command.returncode >= 0 else 1


if __name__ == "__main__":
    sys.exit(main())
