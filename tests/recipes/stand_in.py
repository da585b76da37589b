"""Stands in for the token services of AWS, Google and Azure, and for the one that Codex
asks: over TLS, on this machine, and behind a proxy for a program that takes no other host.

It reads the SVID of a request as those do, notes its audience and subject, and answers
in the form that the SDK of each wants. Signatures are the emulator's business.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

AWS = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKIDSTANDIN</AccessKeyId>
<SecretAccessKey>secret</SecretAccessKey><SessionToken>session</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult>
</AssumeRoleWithWebIdentityResponse>"""
OAUTH = json.dumps(
    {
        "access_token": "stand-in",
        "token_type": "Bearer",
        "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "expires_in": 3600,
    }
)


class StandIn:
    """`seen` is what came: the fields of each form, and the claims of its SVID."""

    def __init__(self, directory: Path) -> None:
        self.ca_file = directory / "stand-in.pem"
        key = directory / "stand-in.key"
        words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
        subprocess.run(
            [
                *words.split(),
                *("-addext", "subjectAltName=IP:127.0.0.1,DNS:auth.openai.com"),
                # Some take no CA's certificate for a server's.
                *("-addext", "basicConstraints=critical,CA:FALSE"),
                *("-keyout", key, "-out", self.ca_file),
            ],
            check=True,
            capture_output=True,
        )
        self.seen: list[tuple[dict[str, str], dict[str, Any]]] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, key)
        handler = _handler(self.seen, context)
        server, proxy = (ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        self._servers = [server, proxy]
        self.url = f"https://127.0.0.1:{server.server_port}"
        self.proxy = f"http://127.0.0.1:{proxy.server_port}"

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()


def _handler(
    seen: list[tuple[dict[str, str], dict[str, Any]]], context: ssl.SSLContext
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_CONNECT(self) -> None:
            """Whatever host was asked for, if its name is in the certificate."""
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            try:
                self.connection = context.wrap_socket(self.connection, server_side=True)
            except OSError:
                self.close_connection = True
                return
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb")  # type: ignore[assignment]
            self.close_connection = False

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            names = ("WebIdentityToken", "subject_token", "client_assertion", "assertion")
            svid = next(form[name] for name in names if name in form)
            payload = svid.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            seen.append((form, claims))
            answer = AWS if "WebIdentityToken" in form else OAUTH
            self.send_response(200)
            kind = "text/xml" if answer is AWS else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer.encode())
            self.wfile.flush()

        def log_message(self, *_: object) -> None:
            """Nothing: a request holds an SVID."""

    return Handler
