"""A throw-away CA and the certificate of the discovery provider, by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .children import SpireError

_NEW_P256_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc")


@dataclass(frozen=True)
class ServingCertificate:
    """PEM files. `ca` is what a client has to trust."""

    ca: Path
    certificate: Path
    key: Path


def make_serving_certificate(directory: Path) -> ServingCertificate:
    """Issue a certificate for 127.0.0.1 and localhost, good for two days."""
    directory.mkdir(parents=True, exist_ok=True)
    made = ServingCertificate(
        directory / "ca.pem", directory / "cert.pem", directory / "key.pem"
    )
    ca_key = directory / "ca-key.pem"
    _openssl(
        *("req", "-x509", *_NEW_P256_KEY, "-days", "2"),
        *("-subj", "/CN=svidex tests: CA of the SPIRE discovery provider"),
        *("-addext", "keyUsage=critical,keyCertSign"),
        *("-keyout", ca_key, "-out", made.ca),
    )
    _openssl(
        *("req", "-x509", *_NEW_P256_KEY, "-days", "2"),
        *("-CA", made.ca, "-CAkey", ca_key, "-subj", "/CN=127.0.0.1"),
        *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
        *("-addext", "basicConstraints=critical,CA:FALSE"),
        *("-addext", "extendedKeyUsage=serverAuth"),
        *("-keyout", made.key, "-out", made.certificate),
    )
    return made


def _openssl(*arguments: str | Path) -> None:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise SpireError(f"openssl {arguments[0]}: {done.stderr.strip()}")
