"""Address: where a running server can be reached, and the lines that let people in."""

from __future__ import annotations

from msgspec import Struct


class Address(Struct, frozen=True):
    """Where a running server can be reached. `fingerprint` is empty without TLS."""

    host: str
    port: int
    owner_port: int
    room: str
    fingerprint: str

    def owner_invitation(self, token: str) -> str:
        """The connection string of an owner's own tools, which run on the server's machine."""
        return f"cleanroom+owner://127.0.0.1:{self.owner_port}/{self.room}#{token}"

    def invitation(self, token: str, host: str | None = None) -> str:
        """The connection string to give to an expert; `host` where experts know this machine by another name."""
        scheme, query = ("cleanroom", f"?sha256={self.fingerprint}") if self.fingerprint else ("cleanroom+plain", "")
        return f"{scheme}://{_bracketed(host or self.host)}:{self.port}/{self.room}{query}#{token}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
