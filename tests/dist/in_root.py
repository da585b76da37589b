"""Runs a program as a container does: in a root of its own, as the image's user, with the
agent's socket, which is linked into it.

usage: svidex-emulator run -- python3 in_root.py ROOT UID:GID PROGRAM ARGUMENTS…
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

SOCKET = "/spiffe-workload-api/spire-agent.sock"
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
# What container engines set where an image says nothing else.
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main() -> None:
    root, (uid, gid) = Path(sys.argv[1]), map(int, sys.argv[2].split(":"))
    # Besides it has no other variables than those that its user gives it.
    given = ("OPENAI_", "SPIFFE_", "SVIDEX_", "SSL_CERT_FILE")
    environment = {name: value for name, value in os.environ.items() if name.startswith(given)}
    environment["PATH"] = PATH
    agent = Path(environment["SPIFFE_ENDPOINT_SOCKET"].removeprefix("unix://"))
    agent.chmod(0o777)  # as agents have it: whoever connects is told apart by attestation
    inside = root / SOCKET.lstrip("/")
    inside.parent.mkdir(exist_ok=True)
    inside.unlink(missing_ok=True)
    os.link(agent, inside)
    environment["SPIFFE_ENDPOINT_SOCKET"] = f"unix://{SOCKET}"
    # The image's own roots count, and are those of the emulator's servers.
    (root / CERTIFICATES).parent.mkdir(parents=True, exist_ok=True)
    (root / CERTIFICATES).unlink(missing_ok=True)  # in some it is a link
    shutil.copy(environment.pop("SSL_CERT_FILE"), root / CERTIFICATES)
    (root / CERTIFICATES).chmod(0o644)

    command = sys.argv[3:]
    if os.geteuid() == 0:
        os.chroot(root)
        os.chdir("/")
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    else:
        # Without privileges, in a namespace where it is that user.
        namespace = [
            "--user",
            f"--map-user={uid}",
            f"--map-group={gid}",
            f"--root={root}",
        ]
        command = ["unshare", *namespace, *command]
    os.execvpe(command[0], command, environment)


if __name__ == "__main__":
    main()
