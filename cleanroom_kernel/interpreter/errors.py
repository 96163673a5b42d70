"""Errors that an expert meets: what the vault answered, or what a handle cannot do. None of them holds a value.

Promise: every message is either fixed text of ours, names of the schema and of the expert's code, or the vault's own
words, so an error can be shown, logged and pasted anywhere.
"""

from __future__ import annotations

from cleanroom_kernel.protocol.release import Reason, Refusal, Withheld

ASK = "Or ask the owner: room.request_release(lambda: …, reason)."


class CleanRoomError(Exception):
    """Base class. `rule` names the rule that spoke, `suggestion` says what to write instead; both may be empty.

    `question` identifies a question that the owner can be asked for: room.request_release(error, reason).
    """

    kind = "Clean room"

    def __init__(self, message: str, *, suggestion: str = "", rule: str = "") -> None:
        super().__init__(f"{message} {suggestion}".strip())
        self.message = message
        self.suggestion = suggestion
        self.rule = rule
        self.question = ""


class CleanRoomWithheld(CleanRoomError):
    """The answer depends on too few patients, or would with what was released before. One text for all reasons."""

    kind = "Withheld"

    @classmethod
    def of(cls, answer: Withheld) -> CleanRoomWithheld:
        return cls(answer.message, suggestion=f"{answer.suggestion} {ASK}")


class CleanRoomRefusal(CleanRoomError):
    """A question that can never be answered as asked; it depends on code and schema alone."""

    kind = "Refused"

    def __init__(self, message: str, *, suggestion: str = "", rule: str = "", reason: Reason = Reason.INVALID) -> None:
        super().__init__(message, suggestion=suggestion, rule=rule)
        self.reason = reason

    @classmethod
    def of(cls, answer: Refusal) -> CleanRoomRefusal:
        return cls(answer.message, suggestion=answer.suggestion, rule=answer.rule, reason=answer.reason)


class VaultLost(CleanRoomError):
    """The vault of this session is gone. Handles are plans, so they work again with a new one."""

    kind = "Connection"


class HandleError(CleanRoomError, TypeError):
    """Something that needs the rows themselves was asked of a handle. Nothing was sent to the vault."""

    kind = "Rows stay in the room"


class Unavailable(HandleError, AttributeError):
    """A method that pandas has and rows in a clean room do not."""


class DifferentRows(HandleError):
    """Columns of different row contexts met where pandas would align them by position or index."""

    def __init__(self) -> None:
        super().__init__(
            "These columns belong to different rows.",
            suggestion="Merge the tables first, or take both columns from one DataFrame.",
            rule="one row context",
        )
