"""Notes: one quiet line in the output of a cell, about something that did not go wrong."""

from __future__ import annotations

import html
from dataclasses import dataclass

from IPython.display import display

from cleanroom_kernel.interpreter.display import NOTE_STYLE


@dataclass(frozen=True)
class Note:
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f'<div style="{NOTE_STYLE}">{html.escape(self.text)}</div>'


def say(text: str) -> None:
    display(Note(text))
