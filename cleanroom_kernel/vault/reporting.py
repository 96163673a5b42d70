"""Reporting: the release report of a model, for expert and owner, and as the card inside its file.

Promise: names of schema and code, bands, the policy's own words, and scores that went through the gate like any other
score; nothing else of the rows.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from importlib.metadata import version
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from skops.card import Card

from cleanroom_kernel.disclosure.display import parameter_precision
from cleanroom_kernel.disclosure.footprint import bitmap
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.disclosure.words import describe
from cleanroom_kernel.plan.aggregates import Metric, Score
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Value
from cleanroom_kernel.plan.models import Fit, Method, Task
from cleanroom_kernel.plan.relations import Assign, Predict, Side, Split, Window
from cleanroom_kernel.protocol.release import Grid, Release
from cleanroom_kernel.vault.columns import UNIT
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.learning import answer_metric
from cleanroom_kernel.vault.parts import Part

CARD = "README.md"  # as model hubs call it

_MADE = (1980, 1, 1, 0, 0, 0)  # a file's bytes depend on what it holds alone


class Tested(Struct, frozen=True):
    """What the report says of a model's membership test, and the release that says it."""

    words: str
    release: Release | None


def report(fit: Fit, part: Part, made: Any, question: str, units: str, tested: Tested, desk: Desk) -> str:
    """The card of `made`, which is what leaves of a model, by the release that answers `question`; `units` is the band
    that its receipt says.
    """
    policy = desk.policy
    classes = getattr(part.model, "classes_", ())
    scores = _scores(fit, part, desk)
    within = [one for one in (tested.release, *scores.releases) if one is not None]
    card = Card(made, model_diagram=False, template={}, trusted=[])
    name = type(part.model).__name__
    card.add(
        folded=False,
        **{
            name: f"{describe(fit)}.",
            f"{name}/Training data": _listed(
                f"Room: {desk.room.name}.",
                f"Training rows: of {units} {desk.room.unit_name}s.",
                f"Features ({len(fit.features)}): {', '.join(fit.feature_names)}.",
                *([f"Classes: {', '.join(str(name) for name in classes)}."] if len(classes) else []),
            ),
            f"{name}/Evaluation": _listed(scores.words, tested.words),
            f"{name}/Disclosure control": _listed(
                f"Policy {policy.preset}, version {policy_version(policy)}, cleanroom-kernel "
                f"{version('cleanroom-kernel')}.",
                f"Learned numbers in the file: {part.size}, {parameter_precision(policy)}"
                + ("; only digits that no single patient decides." if policy.influence_rounding else "."),
                "The file was rebuilt from these numbers. The model that was scored in the room is the one before "
                "rounding, so predictions may differ in their last digits.",
                "Findings: none that stands in the way of a release.",
                *part.all_notes,
                "It was judged by the rules for models (room.policy()): enough patients for each learned number, none "
                "of them decisive, and no part that keeps rows or single values.",
            ),
            f"{name}/Release": _listed(
                f"Question {question}. Its receipt lies beside the file, and `cleanroom verify` checks both.",
                *(f"Receipt {one.receipt.number}: {one.receipt.title}." for one in within),
            ),
        },
    )
    card.add_hyperparams(section=f"{name}/Hyperparameters")
    written: str = card.render()
    return written.strip() + "\n"


def _listed(*sentences: str) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def policy_version(policy: PolicySnapshot) -> str:
    """The same for the same numbers, whoever wrote them."""
    return hashlib.blake2b(msgspec.json.encode(policy, order="deterministic"), digest_size=6).hexdigest()


def with_card(content: bytes, card: str) -> bytes:
    """A skops file, which is a zip, with the report as a page of its own; whoever loads the model need not know."""
    buffer = io.BytesIO(content)
    with zipfile.ZipFile(buffer, "a") as file:
        file.writestr(zipfile.ZipInfo(CARD, _MADE), card)
    return buffer.getvalue()


# -- train and test ---------------------------------------------------------------------------------------------------
class _Scores(Struct, frozen=True):
    words: str
    releases: tuple[Release, ...] = ()


def _scores(fit: Fit, part: Part, desk: Desk) -> _Scores:
    """How well it does on the rows it was fitted to and on those its split held out, if both may be told."""
    held_out = other_side(fit.over)
    if held_out is None or fit.task not in (Task.CLASSIFY, Task.REGRESS):
        return _Scores("Train and test: it was not fitted to the training side of a split, so nothing was held out.")
    sides = [rows for rows in (fit.over, held_out) if _is_large(rows, desk)]
    found = [answer_metric(_metric(fit, part, rows), desk) for rows in sides]
    releases = tuple(answer for answer in found if isinstance(answer, Release))
    desk.beside += releases
    values = [answer.payload.values[0][0] for answer in found if _is_number(answer)]
    if len(values) < 2:
        return _Scores("Train and test: the policy does not show both scores.", releases)
    train, test = values
    name = _metric(fit, part, fit.over).score.value
    gap = f"a gap of {train - test:.2g}"
    return _Scores(
        f"Train and test: {name} {train:.4g} on the training rows, {test:.4g} on those held out, {gap}.", releases
    )


def _is_number(answer: Any) -> bool:
    return isinstance(answer, Release) and isinstance(answer.payload, Grid) and answer.payload.values[0][0] is not None


def other_side(rows: Relation) -> Relation | None:
    """The test side of the split of which `rows` are the training side, with the same columns."""
    if isinstance(rows, Split):
        return msgspec.structs.replace(rows, side=Side.TEST) if rows.side is Side.TRAIN else None
    if isinstance(rows, (Assign, Window)):
        below = other_side(rows.over)
        return None if below is None else msgspec.structs.replace(rows, over=below)
    return None


def split_of(rows: Relation) -> Split | None:
    """The split of which `rows` are a side."""
    while isinstance(rows, (Assign, Window)):
        rows = rows.over
    return rows if isinstance(rows, Split) else None


def _is_large(rows: Relation, desk: Desk) -> bool:
    """Large enough that asking for a score is not a question that a policy would withhold. Whether it was asked is
    seen, so rows must not be filled up to that edge.
    """
    units = np.unique(desk.engine.table(rows, ()).get_column(UNIT).to_numpy())
    borders = desk.ledger.borders(desk.policy, mixed=is_mixed(rows))
    return len(units) >= 2 * max(desk.policy.evaluation_units, 1) + borders.jitter_of(bitmap(units))


def _metric(fit: Fit, part: Part, rows: Relation) -> Metric:
    classes = getattr(part.model, "classes_", ())
    assert fit.target is not None, "classifiers and regressors have a target"
    if fit.task is Task.REGRESS:
        which, method, names = Score.R2, Method.PREDICT, ("prediction",)
    elif len(classes) == 2 and hasattr(part.model, "predict_proba"):
        which, method, names = Score.ROC_AUC, Method.PREDICT_PROBA, ("chance 0", "chance 1")
    else:
        which, method, names = Score.BALANCED_ACCURACY, Method.PREDICT, ("prediction",)
    taken = {name for name in rows.fields}
    names = tuple(_fresh(name, taken) for name in names)
    return Metric(Predict(rows, fit, method, fit.features, names), which, fit.target, (Value(names[-1]),))


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
