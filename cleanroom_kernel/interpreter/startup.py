"""Start-up: everything that turns an IPython shell on a vault's socket into a clean room's notebook."""

from __future__ import annotations

import linecache
import socket
import traceback
from types import TracebackType
from typing import Any

from cleanroom_kernel.interpreter import (
    accessors,
    completion,
    connection,
    display,
    distributions,
    hooks_numpy,
    hooks_pandas,
    hooks_scipy,
    hooks_seaborn,
    hooks_sklearn,
    hooks_statsmodels,
    inert,
    learn_progress,
    magics,
    overview,
    plots,
    query,
    reshaping,
    selection,
    shaping,
    tracing,
)
from cleanroom_kernel.interpreter.connection import Connection
from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.room import Room
from cleanroom_kernel.plan.nodes import PlanError

# Each of these registers a family of methods on the handles when it is imported.
FAMILIES = (
    accessors,
    distributions,
    hooks_numpy,
    inert,
    overview,
    plots,
    query,
    reshaping,
    selection,
    shaping,
    tracing,
)


def start(vault_socket: socket.socket, shell: Any, supply: socket.socket | None = None) -> Room:
    """Greet the vault, put `room` into the notebook's namespace, install hooks, formatters and the card for errors.

    On `supply` the server hands over the line to a new vault when the vault has died.
    """
    link = Connection.over(vault_socket, supply)
    link.bulletin = learn_progress.Bulletin
    connection.use(link)
    room = Room(link)
    hooks_pandas.install(room)
    hooks_sklearn.install(room)
    plots.install()
    hooks_scipy.install()
    hooks_seaborn.install()
    hooks_statsmodels.install()
    magics.install(shell, room)
    shell.push({"room": room})
    display.install(shell)
    shell.set_custom_exc((CleanRoomError, PlanError), _show_card)
    completion.install(shell)
    return room


def _show_card(
    shell: Any, kind: type[BaseException], error: BaseException, tb: TracebackType | None, tb_offset: int | None = None
) -> list[str]:
    lines = display.card(_as_ours(error), _line_of_the_cell(tb))
    shell._showtraceback(kind, error, lines)
    return lines


def _as_ours(error: BaseException) -> CleanRoomError:
    if isinstance(error, PlanError):
        ours = CleanRoomError(error.message, suggestion=error.suggestion, rule=error.rule)
        ours.kind = "Not possible"
        return ours
    if isinstance(error, CleanRoomError):
        return error
    raise AssertionError(f"no card for {type(error).__name__}")


def _line_of_the_cell(tb: TracebackType | None) -> str:
    """The expert's own line that led here."""
    found = ""
    for frame, number in traceback.walk_tb(tb):
        name = frame.f_code.co_filename
        if "ipykernel" in name or name.startswith("<ipython-input"):
            found = linecache.getline(name, number).strip()
    return found
