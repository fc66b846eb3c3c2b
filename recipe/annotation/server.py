"""The page for annotations on this machine alone: no other site, and nobody without the address, can read or write.

A page of another site can send requests to 127.0.0.1 from the browser of whoever visits it, and a name of its own can
be made to lead there (DNS rebinding). So a request needs the token of the address, our Host, and no other Origin.
Source: OWASP, "Cross-Site Request Forgery Prevention Cheat Sheet".
"""

from __future__ import annotations

import hmac
import json
import secrets
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, urlsplit

from recipe.annotation.session import AnswerError, Session
from recipe.errors import RecipeError, SettingsError

ADDRESS = "127.0.0.1"
MOST_BYTES = 65_536  # of what a page sends: a label and a number
NONCE = "{{ nonce }}"
POLICY = (
    "default-src 'none'; img-src data:; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class Server(ThreadingHTTPServer):
    """Serves one session at `url`."""

    daemon_threads = True

    def __init__(self, session: Session, port: int = 0) -> None:
        self.session, self.token = session, secrets.token_urlsafe(24)
        try:
            super().__init__((ADDRESS, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise SettingsError(f"--port {port} cannot be used ({reason}): name another, or none.") from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/?token={self.token}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        """The page, what it begins with, and one example."""
        asked = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        if not self._allowed(query.get("token", "")):
            return
        session = self.server.session
        match asked.path:
            case "/":
                self._page()
            case "/state":
                self._answer(session.state)
            case "/example":
                self._answer(lambda: session.example(int(query.get("place", ""))))
            case _:
                self._say(HTTPStatus.NOT_FOUND, "There is nothing here.")

    def do_POST(self) -> None:
        """A label."""
        if not self._allowed(""):
            return
        length = self.headers.get("Content-Length", "")
        if self.path != "/answer" or not length.isdecimal() or int(length) > MOST_BYTES:
            self._say(HTTPStatus.BAD_REQUEST, "Labels are sent to /answer.")
            return
        body = self.rfile.read(int(length))
        self._answer(lambda: self._keep(json.loads(body)))

    def _keep(self, sent: dict[str, Any]) -> dict[str, Any]:
        return self.server.session.answer(int(sent["place"]), str(sent["label"]), float(sent["seconds"]))

    def _allowed(self, token: str) -> bool:
        """Whether the request is from our own page; else it is refused."""
        ours = {f"{name}:{self.server.server_port}" for name in (ADDRESS, "localhost")}
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        known = self.headers.get("X-Token", token)
        is_ours = host in ours and (origin is None or origin == f"http://{host}")
        if is_ours and hmac.compare_digest(known.encode(), self.server.token.encode()):
            return True
        self._say(HTTPStatus.FORBIDDEN, "Open the address that `recipe annotate` printed.")
        return False

    def _page(self) -> None:
        nonce = secrets.token_urlsafe(16)
        text = files("recipe.annotation").joinpath("page.html").read_text(encoding="utf-8").replace(NONCE, nonce)
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", text.encode(), nonce)

    def _answer(self, ask: Callable[[], dict[str, Any]]) -> None:
        try:
            answer = ask()
        except AnswerError as error:
            self._say(HTTPStatus.BAD_REQUEST, str(error))
        except (ValueError, KeyError, TypeError, RecursionError):
            self._say(HTTPStatus.BAD_REQUEST, "That is no request of the page.")
        except RecipeError as error:  # the disk is full, say: the page tells it, and the label can be sent again
            self._say(HTTPStatus.INTERNAL_SERVER_ERROR, str(error))
        else:
            self._send(HTTPStatus.OK, "application/json", json.dumps(answer).encode())

    def _say(self, status: HTTPStatus, sentence: str) -> None:
        self._send(status, "application/json", json.dumps({"error": sentence}).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes, nonce: str = "") -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Content-Security-Policy": POLICY.format(nonce=nonce),
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Connection": "close",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is for the address and the end."""
