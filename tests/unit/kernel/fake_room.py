"""A server that answers as a room's does, and remembers who asked what with which token."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SESSION = "5e" * 16
TOKEN = "id.secret"
INFO = {"room": "ward", "protocol": 1, "version": "0.1.0", "tier": "A", "kernel_info": {}}
FACTS = {"id": SESSION, "tier": "A", "execution_state": "idle", "receipts": 1, "expert": "ada", "connections": 1}


class FakeRoom:
    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.tokens = {TOKEN}
        self.answers = {"/api/room": INFO, f"/api/kernels/{SESSION}": FACTS}
        self.redirect = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port = self._server.server_address[1]

    def invitation(self, room: str = "ward", token: str = TOKEN) -> str:
        return f"cleanroom+plain://127.0.0.1:{self.port}/{room}#{token}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def respond(self, path: str, token: str) -> tuple[int, object]:
        self.asked.append((path, token))
        if token not in self.tokens:
            return 401, {"problem": "unknown token", "message": "no", "reason": ""}
        if path in self.answers:
            return 200, self.answers[path]
        return 404, {"problem": "not passed on", "message": "no", "reason": ""}

    def _handler(room):  # noqa: N805 - the handler's own `self` is inside
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.headers.get("Authorization", "").removeprefix("token ")
                status, body = room.respond(self.path, token)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(302 if room.redirect else status)
                if room.redirect:
                    self.send_header("Location", room.redirect)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments) -> None:
                return

        return Handler
