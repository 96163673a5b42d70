"""The HTTP side of the expert's border: what `GET /api/room` says, and why a request is not answered.

Promise: problems are a closed list, and their words are here, once, for the server that says them and for the proxy
kernel that shows them in a cell.
"""

from __future__ import annotations

import enum
from typing import Any

from msgspec import Struct

from cleanroom_kernel.protocol.websocket import EXPERT_LIMIT

VERSION = 1
ARTIFACT_MESSAGE = "cleanroom_artifact"  # iopub: a released file in the message's one buffer


class RoomInfo(Struct, frozen=True):
    """Public facts of a room. `protocol` must equal the kernel's own; `signing_key` verifies files that it releases."""

    room: str
    protocol: int
    version: str
    tier: str
    kernel_info: dict[str, Any]
    signing_key: str = ""


class Problem(enum.Enum):
    """Why the expert's request cannot be served."""

    OFFLINE = "offline"
    UNKNOWN_TOKEN = "unknown token"  # noqa: S105
    REVOKED = "revoked"
    LIMITED = "limited"
    VERSION = "version"
    CERTIFICATE = "certificate"
    NOT_CONNECTED = "not connected"
    FULL = "full"
    NO_MEMORY = "no memory"
    ROOM_CLOSED = "room closed"
    ENDED = "ended"
    INTERPRETER_DIED = "interpreter died"
    INTERPRETER_FAILED = "interpreter failed"
    VAULT_DIED = "vault died"
    AUDIT_FAILED = "audit failed"
    NOT_PASSED_ON = "not passed on"
    REPLY_DROPPED = "reply dropped"
    TOO_LARGE = "too large"
    TOO_MANY = "too many"
    SERVER = "server"


class Words(Struct, frozen=True):
    """`name` is what Python users see as the error's type; `text` says what is wrong and what to do."""

    name: str
    text: str


WORDS: dict[Problem, Words] = {
    Problem.OFFLINE: Words(
        "CleanRoomOffline",
        "The clean room does not answer, so this cell was not run. Check your network (or VPN) and run the cell again; "
        "the kernel keeps trying to reach the room. Variables of a running session are kept.",
    ),
    Problem.UNKNOWN_TOKEN: Words(
        "CleanRoomAccess",
        "The room does not know your token. Ask the owner for a new invitation, run `cleanroom connect` with it, and "
        "run this cell again.",
    ),
    Problem.REVOKED: Words(
        "CleanRoomAccess",
        "Your invitation to this room was revoked, or its time has run out. Ask the owner for a new one, run "
        "`cleanroom connect` with it, and run this cell again.",
    ),
    Problem.LIMITED: Words(
        "CleanRoomAccess",
        "Too many requests or failed logins came from here. Wait a minute and run this cell again.",
    ),
    Problem.VERSION: Words(
        "CleanRoomVersion",
        "The room and this kernel speak different versions of the protocol. Install the version of cleanroom-kernel "
        "that the owner runs, then restart the kernel.",
    ),
    Problem.CERTIFICATE: Words(
        "CleanRoomAccess",
        "The server's certificate is not the one of your invitation, so your token was not sent. Ask the owner whether "
        "the certificate was renewed, and connect again with the new invitation.",
    ),
    Problem.NOT_CONNECTED: Words(
        "CleanRoomAccess",
        "No connection to a room is saved for this kernel. Run `cleanroom connect` with the owner's invitation, then "
        "run this cell again.",
    ),
    Problem.FULL: Words(
        "CleanRoomBusy",
        "The room has as many sessions as the owner allows. Shut down a notebook that you no longer need, or try again "
        "later.",
    ),
    Problem.NO_MEMORY: Words(
        "CleanRoomBusy",
        "The owner's machine has too little memory left for another session. Shut down a notebook that you no longer "
        "need, or try again later; the owner can change Server.memory_reserve or end sessions.",
    ),
    Problem.ROOM_CLOSED: Words(
        "CleanRoomClosed",
        "The room could not be opened. This is for the owner to see to: the reason is in the server's log.",
    ),
    Problem.ENDED: Words(
        "CleanRoomSessionEnded",
        "Your session has ended and its variables are gone. A new session has been started: run your cells again from "
        "the top.",
    ),
    Problem.INTERPRETER_DIED: Words(
        "CleanRoomInterpreterDied",
        "The interpreter ended while it ran this cell (perhaps it was out of memory). It is being restarted: variables "
        "are gone, run your cells again from the top.",
    ),
    Problem.INTERPRETER_FAILED: Words(
        "CleanRoomClosed",
        "The room's interpreter cannot start. This is for the owner to see to: the reason is in the server's log.",
    ),
    Problem.VAULT_DIED: Words(
        "CleanRoomVaultDied",
        "The vault of this session has ended and could not be started again; nothing that it released is lost. Restart "
        "the kernel and run your cells again from the top.",
    ),
    Problem.AUDIT_FAILED: Words(
        "CleanRoomClosed",
        "The room cannot write its audit log, so no cell is run. This is for the owner to see to.",
    ),
    Problem.NOT_PASSED_ON: Words("CleanRoomRefusal", "The room does not pass on messages of this kind."),
    Problem.REPLY_DROPPED: Words("CleanRoomRefusal", "The reply was dropped by the owner's output policy."),
    Problem.TOO_LARGE: Words(
        "CleanRoomRefusal",
        f"The message is larger than the room accepts ({EXPERT_LIMIT >> 20} MB). Do not paste data into a cell.",
    ),
    Problem.TOO_MANY: Words("CleanRoomRefusal", "Too many requests are waiting. Let the running cells finish first."),
    Problem.SERVER: Words(
        "CleanRoomServerError",
        "The server could not handle the request. This is for the owner to see to: the reason is in the server's log.",
    ),
}


class ProblemBody(Struct, frozen=True):
    """Body of an HTTP answer that is no answer. `reason` says why a session ended, where that is the problem."""

    problem: Problem
    message: str
    reason: str = ""


def error_reply(problem: Problem, more: str = "") -> dict[str, Any]:
    """Content of a Jupyter reply (and of an `error` message) that says what is wrong, without a traceback of ours."""
    words = WORDS[problem]
    text = f"{words.text} {more}".rstrip()
    return {
        "status": "error",
        "ename": words.name,
        "evalue": text,
        "traceback": [f"\x1b[0;31m{words.name}\x1b[0m: {text}"],
    }
