"""Learning: fits, what is read off fitted models, and their scores, from plan to gate.

Promise: nothing is returned from here that is not an answer of the gate or a refusal that looked at code alone. A model
that a question uses is one that the gate has let be fitted, whether it was asked for before or not; one whose
predictions are used like a column has passed the gate like a released one (rule S6).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.candidate import (
    ANY_FREE,
    Asker,
    Attribute,
    EvaluationCandidate,
    EvaluationEvidence,
    ModelCandidate,
    ModelEvidence,
)
from cleanroom_kernel.disclosure.evidence import STEPS
from cleanroom_kernel.disclosure.footprint import footprint
from cleanroom_kernel.disclosure.forms import form_of, is_steered
from cleanroom_kernel.disclosure.gate import decide, fail, recall, refuse, refuse_use
from cleanroom_kernel.disclosure.measures import BY_UNIT, BY_VALUE, columns_of, decided_by
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.disclosure.words import describe
from cleanroom_kernel.plan.aggregates import Metric, Summary
from cleanroom_kernel.plan.bases import Aggregate, Relation
from cleanroom_kernel.plan.expressions import Expression, Named, type_of
from cleanroom_kernel.plan.models import Fit, Inspect
from cleanroom_kernel.plan.nodes import PlanError, digest
from cleanroom_kernel.plan.relations import Predict
from cleanroom_kernel.protocol.release import Answer, FitSummary, Label, Reason, Refusal, Release
from cleanroom_kernel.vault.answers_predicates import fewest
from cleanroom_kernel.vault.attributes import attribute_of
from cleanroom_kernel.vault.cleaning import complete, few, of_common_labels
from cleanroom_kernel.vault.columns import UNIT
from cleanroom_kernel.vault.desk import Desk
from cleanroom_kernel.vault.examining import kinds_of
from cleanroom_kernel.vault.fitting import refusal_of
from cleanroom_kernel.vault.parts import Part
from cleanroom_kernel.vault.parts_inference import GOODNESS
from cleanroom_kernel.vault.predictions import held_out, passed_on, used_by
from cleanroom_kernel.vault.quietly import End, LearningFailed, TaskEnded
from cleanroom_kernel.vault.scoring import Rows, is_linear, is_of_classes
from cleanroom_kernel.vault.training import as_pandas, labels

_ODD = np.int64(-7046029254386353131)
_TRUTH = "truth"

FAILED: dict[str, str] = {
    "fit": "The model could not be fitted to these rows.",
    "predict": "The model could not predict these rows.",
    "examine": "The fitted model could not be examined.",
    "score": "The score could not be computed for these rows.",
    "export": "The fitted model could not be written to a file.",
    "membership": "The model could not be tested for membership inference, so it was not released.",
}
_TRY = "Missing values, a single class or too few rows are common reasons: impute, check value_counts(), widen filters."


# -- answers ----------------------------------------------------------------------------------------------------------
def answer_fit(fit: Fit, desk: Desk) -> Answer:
    """That a model was fitted, and whether models of its kind are released at all. What depends on the data is told
    only to who asks for what the model has learned.
    """
    return failing(fit, desk, lambda: _fit(fit, desk))


def answer_inspect(inspect: Inspect, desk: Desk) -> Answer:
    return failing(inspect, desk, lambda: _inspect(inspect, desk))


def answer_metric(metric: Metric, desk: Desk) -> Answer:
    return failing(metric, desk, lambda: _metric(metric, desk))


def unusable(aggregate: Aggregate, desk: Desk) -> Answer | None:
    """The answer to a question that uses predictions as it may not, or of a model that was not let be fitted."""
    predictions = used_by(aggregate)
    if not predictions or desk.policy.minimum_units == 0:
        return None
    return failing(aggregate, desk, lambda: _unusable(aggregate, predictions, desk))


def _fit(fit: Fit, desk: Desk) -> Answer:
    no = unusable(fit, desk)
    if no is not None:
        return no
    model = desk.learners.fitted(fit, desk.engine).model
    found = kinds_of(model)
    summary = FitSummary(
        releasable=not found,
        findings=found,
        n_features=len(fit.features),
        classes=tuple(_plain(name) for name in getattr(model, "classes_", ())),
        feature_names=fit.feature_names,
    )
    candidate = _candidate(fit, desk, digest(fit), describe(fit), summary, 0)
    return decide(candidate, _evidence(fit, found, desk), desk.policy, desk.ledger)


def _inspect(inspect: Inspect, desk: Desk) -> Answer:
    fit = inspect.fit
    answer = allowed(fit, desk)
    if not isinstance(answer, Release):
        return answer
    found = attribute_of(part_of(fit, desk), inspect)
    evidence = _evidence(fit, () if found.own_rule else findings_of(fit, desk), desk)
    numbers = 0 if found.attribute.labels else int(np.size(found.attribute.values))
    hidden = int(np.isnan(found.attribute.values).sum()) if numbers and not found.attribute.integers else 0
    payload = _counted_anew(found.attribute, inspect, desk)
    candidate = _candidate(fit, desk, digest(inspect), describe(inspect), payload, numbers, hidden)
    return decide(candidate, evidence, desk.policy, desk.ledger)


def _counted_anew(attribute: Attribute, inspect: Inspect, desk: Desk) -> Attribute:
    """Numbers of rows and patients, the first of a goodness of fit, are exact counts to the gate where rows were chosen
    by several columns at once: rounded ones could be filled up to their edge. A part of a model may be of some of the
    rows alone, and has no numbers of them.
    """
    fit = inspect.fit
    if inspect.attribute != GOODNESS or not is_mixed(fit.over):
        return attribute
    if inspect.path:
        values = attribute.values.copy()
        values[:2] = np.nan
        return msgspec.structs.replace(attribute, values=values)
    rows = np.unique(desk.learners.training(fit, desk.engine).units, return_counts=True)[1]
    third = float(np.sort(rows)[-3:][0])
    counts = ((int(rows.sum()), STEPS * third), (len(rows), STEPS))
    return msgspec.structs.replace(attribute, counts=counts)


def _metric(metric: Metric, desk: Desk) -> Answer:
    if not metric.over.has_units:
        raise PlanError("Scores are of rows of patients.", rule="estimators")
    no = unusable(metric, desk)
    if no is not None:
        return no
    rows, units = _rows(metric, desk)
    scored = desk.learners.score(metric, rows, of_a_model=bool(used_by(metric)), few=few(units, desk.learners.borders))
    content = units.astype(np.int64) * _ODD ^ _content(rows)
    sketcher = desk.ledger.sketcher
    evidence = EvaluationEvidence(
        units=rows.n_units,
        units_per_class=(*scored.counts, *_sides_of_conditions((metric.truth, *metric.predicted), metric.over, desk)),
        influence=scored.influence,
        effective_units=scored.effective,
        footprint=footprint(units, content, sketcher, BY_VALUE),
        by_unit=footprint(units, units.astype(np.int64), sketcher, BY_UNIT),
    )
    candidate = EvaluationCandidate(
        asker=asker_of(desk),
        question=digest(metric),
        title=describe(metric),
        name=metric.score.value,
        measure=_measure(metric),
        value=scored.value,
        linear=is_linear(metric.score),
        beside=tuple(f"sum of {column}" for column in sorted(columns_of(metric.truth, metric.over))),
        mixed=is_mixed(metric.over),
        charged=_charged(metric),
    )
    return decide(candidate, evidence, desk.policy, desk.ledger)


def _charged(metric: Metric) -> frozenset[str]:
    """What a score is charged to that numbers of the expert's choice are in (rule C17)."""
    parts = (metric.truth, *metric.predicted)
    if not any(is_steered(part, metric.over) for part in parts):
        return frozenset()
    return frozenset({ANY_FREE}).union(*(decided_by(part, metric.over) for part in parts))


def _rows(metric: Metric, desk: Desk) -> tuple[Rows, Any]:
    """Rows to score and their units; labels that too few units share, and a few missing values, are left out."""
    columns = [Named(f"p:{place}", of) for place, of in enumerate(metric.predicted)]
    frame = desk.engine.table(metric.over, (Named(_TRUTH, metric.truth), *columns))
    found = [as_pandas(frame.get_column(column.name)).to_numpy() for column in columns]
    predicted = found[0] if len(found) == 1 else np.column_stack(found)
    truth, units = labels(frame.get_column(_TRUTH)), frame.get_column(UNIT).to_numpy()
    kept = np.ones(len(units), dtype=bool)
    if is_of_classes(metric.score):
        kept = of_common_labels(truth, units, desk.learners.borders)
    whole = complete([truth[kept], predicted[kept]], units[kept], desk.learners.borders)
    if whole is not None:
        kept[kept] = whole
    units = units[kept]
    present, codes = np.unique(units, return_inverse=True)
    return Rows(_typed(truth[kept]), _typed(predicted[kept]), codes, len(present)), units


def _typed(values: Any) -> Any:
    """Booleans that have lost their missing values are booleans again."""
    if values.dtype == object and all(isinstance(value, bool) for value in values.ravel()):
        return values.astype(bool)
    return values


def _content(rows: Rows) -> Any:
    """What a score sees of each row, as a number."""
    import pandas as pd

    predicted = rows.predicted if rows.predicted.ndim > 1 else rows.predicted[:, np.newaxis]
    table = pd.DataFrame({_TRUTH: rows.truth} | {str(place): column for place, column in enumerate(predicted.T)})
    return pd.util.hash_pandas_object(table, index=False).to_numpy().view(np.int64)


def _measure(metric: Metric) -> str:
    of = [measures.statistic_of("", part, metric.over) for part in (metric.truth, *metric.predicted)]
    return f"{metric.score.value} {metric.options} {of}"


# -- models that a question uses --------------------------------------------------------------------------------------
def _unusable(aggregate: Aggregate, predictions: list[Predict], desk: Desk) -> Answer | None:
    for predict in predictions:
        answer = allowed(predict.fit, desk)
        if not isinstance(answer, Release):
            return answer
    for predict in predictions:
        if not (_excepted(aggregate, predict, desk) or is_open(predict.fit, desk)):
            return _not_used(aggregate, predict, desk)
    return None


def _not_used(aggregate: Aggregate, predict: Predict, desk: Desk) -> Refusal:
    refusal, fit = _refusal(aggregate, predict, desk), predict.fit
    if not _tells_of_rows(fit, desk):
        return refuse(asker_of(desk), digest(aggregate), refusal, desk.ledger)
    return refuse_use(
        asker_of(desk), digest(aggregate), describe(aggregate), refusal, digest(fit), desk.policy, desk.ledger
    )


def _tells_of_rows(fit: Fit, desk: Desk) -> bool:
    """Whether why a model may not be used depends on more than its code."""
    part = part_of(fit, desk)
    if not findings_of(fit, desk):
        return part.hides  # else the gate withheld its use, and has charged that
    if set(part.all_findings) - set(kinds_of(part.model)):
        return True
    return any(_tells_of_rows(predict.fit, desk) for predict in used_by(fit) if not is_open(predict.fit, desk))


def _excepted(aggregate: Aggregate, predict: Predict, desk: Desk) -> bool:
    if isinstance(aggregate, (Metric, Summary)):
        return desk.policy.held_out_scores and held_out(aggregate, predict)
    return isinstance(aggregate, Fit) and passed_on(aggregate, predict)


def _refusal(aggregate: Aggregate, predict: Predict, desk: Desk) -> Refusal:
    name = predict.fit.estimator.name.rpartition(".")[2]
    why = " ".join(findings_of(predict.fit, desk)) or "It hides some of its coefficients."
    if isinstance(aggregate, (Metric, Summary)):
        return Refusal(
            Reason.FORBIDDEN,
            "model family",
            f"{name} cannot be released, so its predictions are looked at only on the sides of a shuffled split."
            if desk.policy.held_out_scores
            else f"{name} cannot be released, and this room's policy scores only models that can.",
            "Use train_test_split, fit to the training rows as they are, predict with the same features, and do not "
            f"choose rows by what was predicted. {why}",
        )
    return Refusal(
        Reason.FORBIDDEN,
        "model family",
        f"{name} cannot be released, so its predictions can be scored, but are no columns for this. {why}",
        "Put the steps into one Pipeline, or change the model so that it can be released.",
    )


def is_open(fit: Fit, desk: Desk) -> bool:
    """Whether what the model says of any row may be used: it may be released, and the gate has let it be used."""
    question = f"use of {digest(fit)}"
    settled = desk.learners.settled
    if question not in settled:
        settled[question] = _opened(fit, question, desk)
    found: bool = settled[question]
    return found


def _opened(fit: Fit, question: str, desk: Desk) -> bool:
    if findings_of(fit, desk) or part_of(fit, desk).hides:
        return False
    title = f"use of {describe(fit)}"
    known = recall(asker_of(desk), question, title, desk.policy, desk.ledger)
    if known is None:
        size = Attribute(np.array(len(fit.features)), integers=True)
        candidate = _candidate(fit, desk, question, title, size, part_of(fit, desk).size)
        known = decide(candidate, _evidence(fit, (), desk), desk.policy, desk.ledger)
    return isinstance(known, Release)


def allowed(fit: Fit, desk: Desk) -> Answer:
    """The gate's answer to the fit itself."""
    known = recall(asker_of(desk), digest(fit), describe(fit), desk.policy, desk.ledger)
    return known if known is not None else _fit(fit, desk)


def findings_of(fit: Fit, desk: Desk) -> tuple[str, ...]:
    """What stands in the way of a release: the model's own findings, and those of models that made its features."""
    found = [*part_of(fit, desk).all_findings, *_free(fit, desk)]
    for predict in used_by(fit):
        if not is_open(predict.fit, desk):
            found.append(f"Its features were made by {predict.fit.estimator.name.rpartition('.')[2]}.")
            found += findings_of(predict.fit, desk)
    return tuple(dict.fromkeys(found))


def _free(fit: Fit, desk: Desk) -> list[str]:
    """Numbers of the expert's choice in a target or in weights could hold one patient's value where coefficients show
    it: no noise is on those (rule C17).
    """
    if desk.policy.minimum_units == 0:
        return []
    given = (("target", fit.target), ("weights", fit.weight))
    return [
        f"Its {what} hold numbers of your choice: use a column, its logarithm, or where(condition, a, b)."
        for what, of in given
        if of is not None and form_of(of, fit.over).free and type_of(of, fit.over.fields).dtype.is_numeric
    ]


# -- parts ------------------------------------------------------------------------------------------------------------
def part_of(fit: Fit, desk: Desk) -> Part:
    found: Part = desk.learners.part(fit, desk.engine, desk.policy)
    return found


def evidence_of(fit: Fit, desk: Desk) -> ModelEvidence:
    """For what a model has learned."""
    return _evidence(fit, findings_of(fit, desk), desk)


def _evidence(fit: Fit, findings: tuple[str, ...], desk: Desk) -> ModelEvidence:
    counted = desk.learners.counted(fit, desk.engine, desk.ledger.sketcher)
    given = [of for of in (fit.target, fit.weight) if of is not None]
    return ModelEvidence(
        units=counted.units,
        units_per_class=(*counted.units_per_class, *_sides_of_conditions(given, fit.over, desk)),
        effective_units=counted.effective_units,
        findings=findings,
        footprint=counted.footprint,
        by_unit=counted.by_unit,
    )


def _sides_of_conditions(given: Iterable[Expression], over: Relation, desk: Desk) -> tuple[int, ...]:
    """Of conditions inside what is learned or scored, as of those inside a measure (rule C3a): the fewest units on a
    side. A truth that is made up for all but one patient is about that one.
    """
    if desk.policy.minimum_units == 0:
        return ()
    found = (fewest(of, over, desk.engine) for of in given)
    return tuple(number for number in found if number is not None)


def _candidate(
    fit: Fit, desk: Desk, question: str, title: str, payload: Any, numbers: int, hidden: int = 0
) -> ModelCandidate:
    return ModelCandidate(
        asker=asker_of(desk),
        question=question,
        title=title,
        measure=family_measure(fit),
        payload=payload,
        numbers=numbers,
        fit=digest(fit),
        hidden=hidden,
        beside=targets_of(fit),
        mixed=is_mixed(fit.over),
    )


def targets_of(fit: Fit) -> tuple[str, ...]:
    """What models of the same target have in common, whatever they are made of: the owner's columns in it."""
    if fit.target is None:
        return ()
    return tuple(f"models of {column}" for column in sorted(columns_of(fit.target, fit.over)))


def family_measure(fit: Fit) -> str:
    """The same for models with the same features and target, of whatever class: least squares and a ridge of 1e-9 are
    one model. Their training sets are compared.
    """
    given = sorted(measures.identity(column.of, fit.over) for column in fit.features)
    target = "" if fit.target is None else measures.identity(fit.target, fit.over)
    return f"model {target} of {given}"


def failing(aggregate: Aggregate, desk: Desk, answer: Any) -> Any:
    try:
        return answer()
    except LearningFailed as failed:
        refusal = None if failed.few else Refusal(Reason.FAILED, "failed", FAILED[failed.operation], _TRY)
        return fail(asker_of(desk), digest(aggregate), describe(aggregate), refusal, desk.policy, desk.ledger)
    except TaskEnded as ended:
        words = refusal_of(ended, desk.fits)
        if ended.end in (End.INTERRUPTED, End.NO_WORKER):  # nothing of the rows: the expert's wish, the machine's fault
            return refuse(asker_of(desk), digest(aggregate), words, desk.ledger)
        refusal = None if ended.few else words
        return fail(asker_of(desk), digest(aggregate), describe(aggregate), refusal, desk.policy, desk.ledger)


def asker_of(desk: Desk) -> Asker:
    return Asker(desk.expert, desk.session, desk.cell)


def _plain(value: Any) -> Label:
    plain: Label = value.item() if isinstance(value, np.generic) else value
    return plain
