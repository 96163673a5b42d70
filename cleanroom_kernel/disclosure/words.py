"""Words: a question in words, for receipts, ledger and audit log.

Promise: made of names of the schema and of the expert's own code alone; never longer than a line or two.
"""

from __future__ import annotations

from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.bases import Aggregate, Relation
from cleanroom_kernel.plan.expressions import (
    Call,
    Cast,
    Cut,
    Expression,
    IsIn,
    Literal,
    Lookup,
    Named,
    Recode,
    RowFunction,
    Value,
)
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.models import Fit, Inspect
from cleanroom_kernel.plan.nodes import Node, fold, postorder
from cleanroom_kernel.plan.relations import (
    Assign,
    Concat,
    Distinct,
    Filter,
    Join,
    PerUnit,
    Reduced,
    Sample,
    Split,
    Table,
    Take,
    Window,
)

_LONGEST = 80  # of one expression
_MOST = 6  # columns that are named

_SIGNS = {
    Function.ADD: "+", Function.SUBTRACT: "-", Function.MULTIPLY: "*", Function.DIVIDE: "/",
    Function.FLOOR_DIVIDE: "//", Function.MODULO: "%", Function.POWER: "**", Function.EQUAL: "==",
    Function.NOT_EQUAL: "!=", Function.LESS: "<", Function.LESS_EQUAL: "<=", Function.GREATER: ">",
    Function.GREATER_EQUAL: ">=", Function.AND: "&", Function.OR: "|", Function.XOR: "^",
}  # fmt: skip


def band(units: int) -> str:
    """Order of magnitude of a number of units."""
    if units < 10:
        return "fewer than 10"
    low = 10 ** (len(str(units)) - 1)
    return f"{low:,}-{low * 10 - 1:,}"


def describe(aggregate: Aggregate) -> str:
    """The question in words."""
    if isinstance(aggregate, a.Summary):
        hidden = _hidden(aggregate.over)
        asked = _listed([_statistic(column.statistic, hidden) for column in aggregate.columns])
        by = f" by {_listed([key.name for key in aggregate.by])}" if aggregate.by else ""
        return f"{asked}{by} — {describe_rows(aggregate.over)}"
    if isinstance(aggregate, a.Correlation):
        what = "covariance" if aggregate.covariance else "correlation"
        return f"{what} of {_names(aggregate.columns)} — {describe_rows(aggregate.over)}"
    if isinstance(aggregate, a.Metric):
        truth = expression(aggregate.truth, _hidden(aggregate.over))
        return f"{aggregate.score.value} of {truth} — {describe_rows(aggregate.over)}"
    if isinstance(aggregate, Fit):
        return _fit(aggregate)
    if isinstance(aggregate, Inspect):
        return f"{'.'.join((*aggregate.path, aggregate.attribute))} of {_fit(aggregate.fit)}"
    raise AssertionError(f"unhandled aggregate {type(aggregate).__name__}")


def describe_rows(relation: Relation) -> str:
    """Which table the rows are of, and what was done to them on the way."""
    done: list[str] = []
    while not isinstance(relation, Table):
        if isinstance(relation, Join):
            done.append(f"joined with {_tables(relation.right)}")
            relation = relation.left
        elif isinstance(relation, Concat):
            done.append("stacked")
            relation = relation.parts[0]
        else:
            step = _STEPS.get(type(relation))
            if step is not None:
                done.append(step)
            relation = relation.over  # type: ignore[attr-defined]  # every relation that is left has one
    steps = list(dict.fromkeys(reversed(done)))
    return f"{relation.name}{''.join(f', {step}' for step in steps[:_MOST])}"


_STEPS: dict[type[Relation], str] = {
    Filter: "filtered", Sample: "sampled", Split: "one side of a split", Take: "first or last rows",
    Distinct: "without duplicates", PerUnit: "one row per patient or key",
}  # fmt: skip


def _tables(relation: Relation) -> str:
    return describe_rows(relation).partition(",")[0]


def _statistic(statistic: a.Statistic, hidden: Hidden) -> str:
    if isinstance(statistic, a.Size):
        return "number of rows"
    if isinstance(statistic, a.Units):
        return "number of patients"
    if isinstance(statistic, a.Quantile):
        return f"quantile {statistic.q:g} of {expression(statistic.of, hidden)}"
    if isinstance(statistic, a.Extreme):
        return f"{'maximum' if statistic.largest else 'minimum'} of {expression(statistic.of, hidden)}"
    if isinstance(statistic, a.Variance):
        return f"{'standard deviation' if statistic.root else 'variance'} of {expression(statistic.of, hidden)}"
    if isinstance(statistic, a.Distinct):
        return f"number of distinct values of {expression(statistic.of, hidden)}"
    if isinstance(statistic, (a.Count, a.Sum, a.Mean)):
        return f"{type(statistic).__name__.lower()} of {expression(statistic.of, hidden)}"
    raise AssertionError(f"unhandled statistic {type(statistic).__name__}")


def _fit(fit: Fit) -> str:
    estimator = fit.estimator.name.rpartition(".")[2]
    target = "" if fit.target is None else f" for {expression(fit.target, _hidden(fit.over))}"
    return f"{estimator} fitted to {_names(fit.features)}{target} — {describe_rows(fit.over)}"


def _names(columns: tuple[Named, ...]) -> str:
    return _listed([column.name for column in columns])


def _listed(parts: list[str]) -> str:
    more = f" and {len(parts) - _MOST} more" if len(parts) > _MOST else ""
    return _short(", ".join(parts[:_MOST]), _LONGEST * 3) + more


# -- expressions ------------------------------------------------------------------------------------------------------
Hidden = dict[str, str]  # what the columns that no expert has named are, in words


def _hidden(over: Relation) -> Hidden:
    known: Hidden = {}
    for node in postorder(over):
        if isinstance(node, Assign):
            known |= {column.name: expression(column.of, known) for column in node.columns if column.name[:2] == "__"}
        elif isinstance(node, Window):
            known[node.name] = f"{_of(node.function.value, node.of, known)} within a patient"
        elif isinstance(node, Reduced):
            known[node.name] = f"{_of(node.reduction.value, node.of, known)} per patient"
    return {name: _short(words) for name, words in known.items() if name[:2] == "__"}


def _of(what: str, of: Expression | None, known: Hidden) -> str:
    return {"size": "number of rows"}.get(what, what) if of is None else f"{what} of {expression(of, known)}"


def expression(of: Expression, hidden: Hidden | None = None) -> str:
    """Much as the expert wrote it, and no longer than a few words."""
    return fold(of, lambda node, inputs: _step(node, inputs, hidden or {}))


def _step(node: Node, inputs: tuple[str, ...], hidden: Hidden) -> str:
    if isinstance(node, Value):
        return _short(hidden.get(node.name, "a computed column" if node.name[:2] == "__" else node.name))
    if isinstance(node, Literal):
        return _short(repr(node.value))
    if isinstance(node, Call) and node.function in _SIGNS:
        return _short(f"({f' {_SIGNS[node.function]} '.join(inputs)})")
    if isinstance(node, Call):
        return _short(f"{node.function.value}({', '.join(inputs)})")
    if isinstance(node, Cast):
        return inputs[0]
    if isinstance(node, (IsIn, Recode, Cut)):
        return _short(f"{type(node).__name__.lower()}({inputs[0]})")
    if isinstance(node, Lookup):
        return _short(f"{node.column or 'a key'} of uploaded {node.reference.name}({', '.join(inputs)})")
    if isinstance(node, RowFunction):
        return _short(f"row function({', '.join(inputs)})")
    raise AssertionError(f"unhandled expression {type(node).__name__}")


def _short(text: str, longest: int = _LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
