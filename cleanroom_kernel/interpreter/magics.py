"""Magics: `%sql select …` in a line, `%%sql` for a cell."""

from __future__ import annotations

from typing import Any

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

    shell.register_magic_function(sql, "line_cell", "sql")
