"""Progress: one quiet line under a cell while the vault works on a model, gone into its last word when it is over."""

from __future__ import annotations

from IPython.display import DisplayHandle, display

from cleanroom_kernel.interpreter.learn_notes import Note
from cleanroom_kernel.protocol.messages import WAITING, Progress


class Bulletin:
    """The line of one task. Nothing is shown of a task that is over within a second or two."""

    def __init__(self) -> None:
        self._line: DisplayHandle | None = None
        self._last: Progress | None = None

    def show(self, progress: Progress) -> None:
        self._last = progress
        pieces = f", {progress.done} of {progress.total} {progress.what}" if progress.total else ""
        doing = "Waiting for other experts' work to finish" if progress.what == WAITING else "Working in the vault"
        self._say(f"{doing}: {progress.seconds} s{pieces}.")

    def close(self, *, interrupted: bool) -> None:
        if self._last is not None:
            seconds = self._last.seconds
            self._say(
                f"Interrupted after {seconds} s." if interrupted else f"The vault worked on this for {seconds} s."
            )

    def _say(self, text: str) -> None:
        if self._line is None:
            self._line = display(Note(text), display_id=True)
        else:
            self._line.update(Note(text))
