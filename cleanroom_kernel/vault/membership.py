"""Membership: the test that a model must pass before its file leaves (rule C18), and what the gate says of it.

The model is attacked as it would leave: rebuilt, with rounded numbers. Patients that the split of its training rows
held out are who its training patients must not be told from. Where there are none, because it was fitted to all rows or
to a side that somebody chose, models that are fitted in the same way to random halves are attacked instead.

Promise: the number is a release like any other: one for each fit, in coarse steps, written down before anybody hears of
it. What is said of a test is what that release says.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct
from numpy.typing import NDArray
from sklearn.base import clone

from cleanroom_kernel.disclosure.candidate import EvaluationCandidate, EvaluationEvidence, Membership
from cleanroom_kernel.disclosure.footprint import footprint
from cleanroom_kernel.disclosure.gate import decide, recall
from cleanroom_kernel.disclosure.measures import BY_UNIT
from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.disclosure.words import describe
from cleanroom_kernel.plan.aggregates import Score
from cleanroom_kernel.plan.models import Fit, Task
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.protocol.release import Answer, Grid, Release
from cleanroom_kernel.vault.attacking import Attack, Attacked, interval
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.learning import asker_of, family_measure
from cleanroom_kernel.vault.parts import Part
from cleanroom_kernel.vault.predictions import is_by_lot
from cleanroom_kernel.vault.rebuild import rebuilt
from cleanroom_kernel.vault.reporting import other_side, split_of
from cleanroom_kernel.vault.scoring import Rows, Scored, score
from cleanroom_kernel.vault.training import Training

STEP = 0.01  # no finer

_HELD_OUT = "patients that the split held out"
_STANDS_IN = "models fitted alike to random halves, as no patients were held out"


def tested(fit: Fit, part: Part, desk: Desk) -> Answer | None:
    """The gate's answer to the test of a model; None where there is nothing to test. Raises LearningFailed, or
    TaskEnded where it takes too long or the expert interrupts.
    """
    if not _applies(fit, desk.policy):
        return None
    question, title = f"membership of {digest(fit)}", f"membership test of {describe(fit)}"
    known = recall(asker_of(desk), question, title, desk.policy, desk.ledger)
    if known is not None:
        return known
    people = _people(fit, desk)
    model = getattr(part.model, "best_estimator_", part.model)
    found = desk.learners.do(
        Attack(
            target=rebuilt(part),
            template=clone(model),
            X=people.rows.X,
            y=people.rows.y,
            weight=people.rows.weight,
            units=people.places,
            n_units=len(people.codes),
            members=people.members,
            shadows=desk.policy.membership_shadows,
            seconds=desk.fits.membership,
            seed=desk.engine.seeds.effective(0, f"membership {digest(fit)}"),
        )
    )
    scored = _scored(found)
    units = people.codes[found.units]
    # Who was on which side is not looked at: two tests of nearly the same patients tell of those in whom they differ.
    by_unit = footprint(units, units.astype(np.int64), desk.ledger.sketcher, BY_UNIT)
    evidence = EvaluationEvidence(
        units=len(units),
        units_per_class=scored.counts,
        influence=scored.influence,
        effective_units=scored.effective,
        footprint=by_unit,
        by_unit=by_unit,
    )
    candidate = EvaluationCandidate(
        asker=asker_of(desk),
        question=question,
        title=title,
        name=_name(found, people.members is not None),
        measure=f"membership of {family_measure(fit)}",
        value=scored.value,
        mixed=is_mixed(fit.over),
        statistic=question,
        interval=interval(found.members, found.statistic),
        least_step=STEP,
    )
    return decide(candidate, evidence, desk.policy, desk.ledger)


def as_candidate(answer: Answer | None) -> Membership:
    """What the gate judges a file by."""
    if answer is None:
        return Membership(applies=False)
    numbers = _numbers(answer)
    return Membership(area=numbers[0] if numbers else None)


def sentence(answer: Answer | None, policy: PolicySnapshot) -> str:
    """For the report."""
    if answer is None:
        return "Membership test: none, as " + (
            "this policy asks for none."
            if policy.membership_limit >= 1
            else "it predicts nothing that a training patient could be known by."
        )
    numbers = _numbers(answer)
    if not numbers:
        return "Membership test: the policy does not show its result."
    assert isinstance(answer, Release)
    assert isinstance(answer.payload, Grid)
    between = f", 95 % from {numbers[1]:.2f} to {numbers[2]:.2f}" if len(numbers) == 3 else ""
    return (
        f"Membership test: training patients are told from others with an area under the ROC curve of "
        f"{numbers[0]:.2f}{between}, where 0.5 is by lot and the policy's limit is {policy.membership_limit:g} "
        f"({answer.payload.columns[0]})."
    )


def _numbers(answer: Answer) -> list[float]:
    if not (isinstance(answer, Release) and isinstance(answer.payload, Grid)):
        return []
    found = [column[0] for column in answer.payload.values]
    return [] if any(number is None for number in found) else [float(number) for number in found if number is not None]


def _applies(fit: Fit, policy: PolicySnapshot) -> bool:
    return policy.membership_limit < 1 and fit.task in (Task.CLASSIFY, Task.REGRESS)


def _name(found: Attacked, held_out: bool) -> str:
    shadows = f", beside {found.shadows} shadow models" if found.shadows else ""
    return f"by {found.attack}{shadows}, on {_HELD_OUT if held_out else _STANDS_IN}"


def _scored(found: Attacked) -> Scored:
    """The area, and how far one patient can move it."""
    everybody = np.arange(len(found.units))
    rows = Rows(found.members.astype(np.int64), found.statistic, everybody, len(everybody))
    return score(Score.ROC_AUC, rows, {})


# -- who is attacked --------------------------------------------------------------------------------------------------
class _People(Struct, frozen=True, eq=False):
    """Rows of patients; `codes` are theirs in the room, `places` say which of them a row belongs to."""

    rows: Training
    codes: NDArray[Any]
    places: NDArray[np.int64]
    members: NDArray[np.bool_] | None


def _people(fit: Fit, desk: Desk) -> _People:
    inside = desk.learners.training(fit, desk.engine)
    outside = _held_out(fit, inside, desk)
    if outside is None:
        codes, places = np.unique(inside.units, return_inverse=True)
        return _People(inside, codes, places, None)
    rows = _together(inside, outside)
    codes, places = np.unique(rows.units, return_inverse=True)
    return _People(rows, codes, places, np.isin(codes, inside.units))


def _held_out(fit: Fit, inside: Training, desk: Desk) -> Training | None:
    """Rows of patients none of whose rows the model was fitted to, if chance alone chose them and they are enough. Of
    a mixed selection there are none: it could be filled up until one patient decides if they are.
    """
    split, over = split_of(fit.over), other_side(fit.over)
    if split is None or over is None or not is_by_lot(split) or is_mixed(fit.over):
        return None
    rows: Training = desk.learners.taken(fit, over, desk.engine)
    rows = rows.at(~np.isin(rows.units, inside.units))
    return rows if len(np.unique(rows.units)) >= max(desk.policy.evaluation_units, 2) else None


def _together(one: Training, other: Training) -> Training:
    assert one.y is not None, "classifiers and regressors have a target"
    assert other.y is not None, "as the first"
    weights = None if one.weight is None or other.weight is None else np.concatenate([one.weight, other.weight])
    return Training(
        X=pd.concat([one.X, other.X], ignore_index=True),
        fields=one.fields,
        y=np.concatenate([one.y, other.y]),
        weight=weights,
        units=np.concatenate([one.units, other.units]),
    )
