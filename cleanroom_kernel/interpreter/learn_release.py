"""Release: a model that was fitted in the vault becomes a genuine one here, and a file on the expert's machine.

The bytes that the vault releases are skops' format (no pickle), checked against their digest and read with the types
that the vault lists. What they hold moves into the expert's own object, parts of pipelines included.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import skops.io

from cleanroom_kernel.interpreter.connection import Foresight, current
from cleanroom_kernel.interpreter.display import NOTE_STYLE
from cleanroom_kernel.interpreter.errors import VaultLost
from cleanroom_kernel.interpreter.estimators import ModelError, class_of
from cleanroom_kernel.interpreter.learn_fitted import Mark, mark_of, parts_in_place, settle
from cleanroom_kernel.plan.models import Fit
from cleanroom_kernel.protocol.release import Artifact, Receipt

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_TRUSTED = ("sklearn.", "scipy.", "numpy.")


@dataclass(frozen=True)
class ReleasedModel:
    """What left: the name of the file, its digest, what was checked, and the receipt."""

    name: str
    sha256: str
    report: str
    receipt: Receipt

    def __repr__(self) -> str:
        return f"{self._line()}\n\n{self.report}"

    def _repr_html_(self) -> str:
        return (
            f"<p><b>{html.escape(self.name)}</b></p>"
            f'<pre style="white-space: pre-wrap; word-break: normal">{html.escape(self.report)}</pre>'
            f'<div style="{NOTE_STYLE}">{html.escape(self._line())}</div>'
        )

    def _line(self) -> str:
        return f"Released: {self.name}, receipt {self.receipt.number}, sha256 {self.sha256}"


def release(model: Any, filename: str) -> ReleasedModel | None:
    """A fitted model as a file and as itself; nothing while questions are only looked at (room.would_release).

    Raises CleanRoomWithheld or CleanRoomRefusal if it may not leave.
    """
    made = _releasable(model, filename)
    try:
        artifact, receipt = current().export(made.learned.fit, filename)
    except Foresight:
        return None
    return _taken_over(model, artifact, receipt)


def asked_for(model: Any, filename: str) -> tuple[Fit, Callable[[Artifact, Receipt], ReleasedModel]]:
    """The fit of a model that the owner is asked for, and what to do with the file when it comes."""
    made = _releasable(model, filename)
    return made.learned.fit, lambda artifact, receipt: _taken_over(model, artifact, receipt)


def _taken_over(model: Any, artifact: Artifact, receipt: Receipt) -> ReleasedModel:
    _take_over(model, _loaded(artifact))
    return ReleasedModel(artifact.name, artifact.sha256, artifact.report, receipt)


def _releasable(model: Any, filename: str) -> Mark:
    made = mark_of(model) if hasattr(model, "__dict__") else None
    if made is None:
        raise ModelError(
            "Only a model that was fitted in the vault is released.",
            suggestion="Fit it to rows of the room. Results that you see were released already.",
        )
    if made.path:
        raise ModelError("A part of a model is not released alone.", suggestion="Release the model that it belongs to.")
    if not isinstance(filename, str) or _NAME.fullmatch(filename) is None:
        raise ModelError(
            "A released file has a name and no path; it is written into the folder of your notebook.",
            suggestion="For example: room.release(model, 'readmission.skops')",
        )
    return made


def _loaded(artifact: Artifact) -> Any:
    if hashlib.sha256(artifact.content).hexdigest() != artifact.sha256:
        raise VaultLost("The released file is not the one that was recorded.", suggestion="Release the model again.")
    trusted = [kind for kind in artifact.trusted if kind.startswith(_TRUSTED)]
    return skops.io.loads(artifact.content, trusted=trusted)


def _take_over(model: Any, loaded: Any) -> None:
    """Move what `loaded` has learned into `model`, which keeps its own parameters and its own parts."""
    made, parts = mark_of(model), dict(parts_in_place(loaded))
    settle(model)
    for name, part in parts_in_place(model):
        _take_over(part, parts[name])
    kept = {*class_of(model)._get_param_names(), *vars(model)}
    vars(model).update({name: value for name, value in vars(loaded).items() if name not in kept})
    shown = made.learned.answers.items() if made is not None else ()
    for (path, name), value in shown:
        if made is not None and path == made.path and name.endswith("_"):
            vars(model).setdefault(name, value)
