"""A webhook on this machine, which keeps what is posted to it."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator


class Webhook(http.server.ThreadingHTTPServer):
    """`came` are paths and bodies; `status` is what it answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Post)
        self.came: list[tuple[str, bytes]] = []
        self.status = 200

    @property
    def address(self) -> str:
        """As Apprise writes it."""
        return f"json://127.0.0.1:{self.server_address[1]}"


class _Post(http.server.BaseHTTPRequestHandler):
    server: Webhook

    def do_POST(self) -> None:
        self.server.came.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quietly."""


@contextlib.contextmanager
def webhook() -> Iterator[Webhook]:
    hook = Webhook()
    thread = threading.Thread(target=hook.serve_forever)
    thread.start()
    try:
        yield hook
    finally:
        hook.shutdown()
        thread.join()
        hook.server_close()
