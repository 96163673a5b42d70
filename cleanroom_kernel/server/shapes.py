"""Shapes: what each message from the interpreter may hold, field by field.

Promise: a closed table. The interpreter runs hostile code and can write any message; one that is not in SHAPES does
not pass, a field that its shape does not name does not pass, and a value of the wrong type or outside its list of
choices stops the whole message. Nothing here knows the owner's settings (`output` applies those).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Short = Annotated[str, Meta(max_length=1024)]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Bundle = dict[Annotated[str, Meta(max_length=256)], Any]  # MIME type -> what to show


class Transient(Struct, frozen=True):
    display_id: Short | UnsetType = UNSET


# -- iopub ------------------------------------------------------------------------------------------------------------
class Status(Struct, frozen=True):
    execution_state: Literal["busy", "idle"]


class ExecuteInput(Struct, frozen=True):
    code: str
    execution_count: Count


class Stream(Struct, frozen=True):
    name: Literal["stdout", "stderr"]
    text: str


class Display(Struct, frozen=True):
    data: Bundle
    metadata: dict[str, Any] = {}
    transient: Transient = Transient()


class ExecuteResult(Struct, frozen=True):
    data: Bundle
    execution_count: Count
    metadata: dict[str, Any] = {}
    transient: Transient = Transient()


class ClearOutput(Struct, frozen=True):
    wait: bool


class Error(Struct, frozen=True):
    ename: str
    evalue: str
    traceback: list[str]


class CommOpen(Struct, frozen=True):
    comm_id: Short
    target_name: Short
    data: dict[str, Any]
    target_module: Short | UnsetType | None = UNSET


class CommMessage(Struct, frozen=True):
    comm_id: Short
    data: dict[str, Any]


# -- stdin ------------------------------------------------------------------------------------------------------------
class InputRequest(Struct, frozen=True):
    prompt: str
    password: bool = False


# -- replies ----------------------------------------------------------------------------------------------------------
class Reply(Struct, frozen=True):
    """Fields that any reply may have: every request can fail."""

    status: Literal["ok", "error", "aborted"]
    ename: str | UnsetType = UNSET
    evalue: str | UnsetType = UNSET
    traceback: list[str] | UnsetType = UNSET


class Page(Struct, frozen=True, tag_field="source", tag="page"):
    data: Bundle
    start: Count = 0


class SetNextInput(Struct, frozen=True, tag_field="source", tag="set_next_input"):
    text: str
    replace: bool = False


class AskExit(Struct, frozen=True, tag_field="source", tag="ask_exit"):
    keepkernel: bool = False


class Expression(Struct, frozen=True):
    """One of `user_expressions`."""

    status: Literal["ok", "error"]
    data: Bundle | UnsetType = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    ename: str | UnsetType = UNSET
    evalue: str | UnsetType = UNSET
    traceback: list[str] | UnsetType = UNSET


class ExecuteReply(Reply, frozen=True):
    execution_count: Count | UnsetType | None = UNSET
    payload: list[Page | SetNextInput | AskExit] | UnsetType = UNSET
    user_expressions: dict[str, Expression] | UnsetType = UNSET


class CompletionType(Struct, frozen=True):
    start: Count
    end: Count
    text: str
    type: str | None = None
    signature: str | None = None


class CompletionMetadata(Struct, frozen=True, rename={"types": "_jupyter_types_experimental"}):
    types: list[CompletionType] | UnsetType = UNSET


class CompleteReply(Reply, frozen=True):
    matches: list[str] | UnsetType = UNSET
    cursor_start: Count | UnsetType = UNSET
    cursor_end: Count | UnsetType = UNSET
    metadata: CompletionMetadata = CompletionMetadata()


class InspectReply(Reply, frozen=True):
    found: bool | UnsetType = UNSET
    data: Bundle = {}
    metadata: dict[str, Any] = {}


class IsCompleteReply(Struct, frozen=True):
    status: Literal["complete", "incomplete", "invalid", "unknown", "error", "aborted"]
    indent: str | UnsetType = UNSET
    ename: str | UnsetType = UNSET
    evalue: str | UnsetType = UNSET
    traceback: list[str] | UnsetType = UNSET


class HistoryReply(Reply, frozen=True):
    history: list[tuple[int, int, str | tuple[str, str | None]]] | UnsetType = UNSET


class CommTarget(Struct, frozen=True):
    target_name: Short


class CommInfoReply(Reply, frozen=True):
    comms: dict[str, CommTarget] | UnsetType = UNSET


class SubshellCreated(Reply, frozen=True):
    subshell_id: Short | UnsetType = UNSET


class SubshellList(Reply, frozen=True):
    subshell_id: list[Short] | UnsetType = UNSET


class Shape(Struct, frozen=True):
    """`bundled`: shows MIME types. `buffered`: may carry binary buffers. `counted`: counts against a cell's output."""

    channel: str
    content: type[Struct]
    bundled: bool = False
    buffered: bool = False
    counted: bool = False


SHAPES: dict[str, Shape] = {
    "status": Shape("iopub", Status),
    "execute_input": Shape("iopub", ExecuteInput),
    "stream": Shape("iopub", Stream, counted=True),
    "display_data": Shape("iopub", Display, bundled=True, counted=True),
    "update_display_data": Shape("iopub", Display, bundled=True, counted=True),
    "execute_result": Shape("iopub", ExecuteResult, bundled=True, counted=True),
    "clear_output": Shape("iopub", ClearOutput, counted=True),
    "error": Shape("iopub", Error, counted=True),
    "comm_open": Shape("iopub", CommOpen, buffered=True, counted=True),
    "comm_msg": Shape("iopub", CommMessage, buffered=True, counted=True),
    "comm_close": Shape("iopub", CommMessage, buffered=True, counted=True),
    "input_request": Shape("stdin", InputRequest),
    "execute_reply": Shape("shell", ExecuteReply),
    "complete_reply": Shape("shell", CompleteReply),
    "inspect_reply": Shape("shell", InspectReply, bundled=True),
    "is_complete_reply": Shape("shell", IsCompleteReply),
    "history_reply": Shape("shell", HistoryReply),
    "comm_info_reply": Shape("shell", CommInfoReply),
    "create_subshell_reply": Shape("control", SubshellCreated),
    "delete_subshell_reply": Shape("control", Reply),
    "list_subshell_reply": Shape("control", SubshellList),
}

UNHEARD = frozenset({"iopub_welcome", "shutdown_reply", "debug_event"})
"""Messages of an honest interpreter that are for the server alone; they are not drops worth a word."""

REQUESTS: dict[str, frozenset[str]] = {
    "shell": frozenset(
        {
            "execute_request",
            "complete_request",
            "inspect_request",
            "is_complete_request",
            "history_request",
            "comm_info_request",
            "comm_open",
            "comm_msg",
            "comm_close",
        }
    ),
    "control": frozenset({"create_subshell_request", "delete_subshell_request", "list_subshell_request"}),
    "stdin": frozenset({"input_reply"}),
}
"""What an expert's client may send on to the interpreter. The server answers some others itself, and none else."""


class ExecuteRequest(Struct, frozen=True):
    """The part of a cell's request that the server itself acts on."""

    code: str
    silent: bool = False
    stop_on_error: bool = True
