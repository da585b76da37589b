"""SPIRE's faults over HTTP, for tests in any language.

Each request is answered when its effect can be seen from a workload, so a test
never has to wait and look. One request at a time, on the thread that calls
`serve_forever`: that must be the main one (see `Child`).
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer

from .authority import Authority
from .children import SpireError
from .token_file import TokenFile


class ControlServer(HTTPServer):
    """POST to one of `actions`: 204 when done, 500 with the reason when not."""

    def __init__(self, authority: Authority, token_file: TokenFile) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.actions: dict[str, Callable[[], None]] = {
            "/deny": authority.deny,
            "/allow": authority.allow,
            "/rotate-keys": authority.rotate_keys,
            "/agent/kill": authority.kill_agent,
            "/agent/freeze": authority.freeze_agent,
            "/agent/thaw": authority.thaw_agent,
            "/agent/start": authority.start_agent,
            "/token-file": token_file.replace,
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: ControlServer

    def do_POST(self) -> None:
        action = self.server.actions.get(self.path)
        if action is None:
            known = ", ".join(self.server.actions)
            return self._answer(404, f"no {self.path}; there are {known}\n")
        try:
            action()
        except SpireError as error:
            return self._answer(500, f"{error}\n")
        self._answer(204)

    def _answer(self, status: int, text: str = "") -> None:
        self.send_response(status)
        if text:
            self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent: stdout and stderr belong to the caller."""
