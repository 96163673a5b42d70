"""Magics: `%sql select …` in a line, `%%sql` for a cell; `%%job name …` for code that the owner reads before a run."""

from __future__ import annotations

from typing import Any

from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.room import Room


def install(shell: Any, room: Room) -> None:
    def sql(line: str, cell: str | None = None) -> Any:
        """SQL over the room's tables. `%%sql name` gives the answer that name."""
        if cell is None:
            return room.sql(line)
        found = room.sql(cell)
        if not line.strip():
            return found
        shell.push({line.strip(): found})
        return None

    def job(line: str, cell: str) -> Any:
        """A job: `%%job name reads={…}, result={…}, reason="…"`. The cell is its code; the request gets its name."""
        name, _, rest = line.strip().partition(" ")
        if not name.isidentifier() or not rest.strip():
            raise CleanRoomError(
                "A job has a name, what it reads, what it gives back, and a reason.",
                suggestion='%%job mean_age reads={"patients": ["age"]}, result={"age": "number"}, reason="…"',
                rule="jobs",
            )
        given = shell.ev(f"dict({rest})")  # the expert's own words in the expert's own process
        request = room.submit_job(cell, name, **given)
        shell.push({name: request})
        return request

    shell.register_magic_function(sql, "line_cell", "sql")
    shell.register_magic_function(job, "cell", "job")
