"""Expressions: a plan's expressions, computed over the rows of an evaluated relation.

Promise: an expression is computed once however often it is used, and neither its depth nor its sharing can make the
work grow beyond its number of nodes: what is shared or deep becomes a temporary column first.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import narwhals as nw
import numpy as np
import polars as pl

from cleanroom_kernel.plan.expressions import (
    Call,
    Cast,
    Constant,
    Cut,
    Expression,
    Field,
    Fields,
    IsIn,
    Literal,
    Lookup,
    Recode,
    RowFunction,
    Value,
    types_of,
)
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import Node, children, postorder
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.columns import stored
from cleanroom_kernel.vault.expressions_casts import cast, is_widening
from cleanroom_kernel.vault.expressions_functions import MAKES_NAN, NATIVE, PASSES_NAN, PORTABLE, READS_TWICE
from cleanroom_kernel.vault.expressions_references import looked_up
from cleanroom_kernel.vault.expressions_terms import Native, Portable, Term, as_type, no_nan, sort_key
from cleanroom_kernel.vault.pending import Pending, collected, native
from cleanroom_kernel.vault.values import NARWHALS, NoMatch, as_stored, converted, literal, matching

FUNCTIONS: dict[Function, Portable | Native] = {**PORTABLE, **NATIVE}

_DEEPEST = 24  # levels of one expression; Polars' planning time grows with the square


def names_in(expressions: Iterable[Expression]) -> set[str]:
    """Columns that the expressions read."""
    return {node.name for node in postorder(*expressions) if isinstance(node, Value)}


class Caller(Protocol):
    """Who calls row functions."""

    def answers(self, function: RowFunction, fields: Sequence[Field], columns: Sequence[pl.Series]) -> pl.Series:
        """What a row function answers for rows of its inputs, of the types `fields`."""


def project(
    pending: Pending,
    fields: Fields,
    outputs: Mapping[str, Expression],
    keep: Sequence[str],
    caller: Caller,
    keys: Sequence[str] = (),
) -> Pending:
    """The columns `keep` as they are, and `outputs` by their names, all computed from the columns before.

    Outputs named in `keys` are made fit for putting rows in order: an ordered category becomes its place.
    """
    pending, terms = compute(pending, fields, tuple(outputs.values()), keep, caller)
    finished = [
        (sort_key(term) if name in keys else term.expression).alias(name)
        for name, term in zip(outputs, terms, strict=True)
    ]
    return pending.then(pending.frame.select(*keep, *finished))


def compute(
    pending: Pending, fields: Fields, expressions: tuple[Expression, ...], keep: Sequence[str], caller: Caller
) -> tuple[Pending, list[Term]]:
    """A term for each expression, over a frame that has the columns `keep` and whatever the terms read."""
    stages = _Stages(fields, expressions)
    columns = list(dict.fromkeys((*keep, *map(stored, sorted(names_in(expressions))))))
    there: list[str] = []
    for made, alive in stages.temporaries():
        if any(isinstance(temporary, _RowCall) for _, temporary in made):
            pending = Pending.of(collected(pending.frame.select(*columns, *there)))
        pending = _with_temporaries(pending, made, caller)
        pending = pending.then(pending.frame.select(*columns, *alive))
        there = alive
    return pending, [stages.term(expression) for expression in expressions]


class _RowCall(NamedTuple):
    """A row function over columns that are there."""

    function: RowFunction
    fields: tuple[Field, ...]
    columns: tuple[str, ...]


Temporary = tuple[str, Any]  # name of the column, and a Narwhals or a Polars expression, or a row call


def _with_temporaries(pending: Pending, stage: list[Temporary], caller: Caller) -> Pending:
    calls = [(name, made) for name, made in stage if isinstance(made, _RowCall)]
    if calls:
        frame = collected(pending.frame)
        answers = [
            caller.answers(call.function, call.fields, [frame.get_column(of) for of in call.columns]).alias(name)
            for name, call in calls
        ]
        pending = Pending.of(frame.with_columns(answers))
    portable = [made.alias(name) for name, made in stage if isinstance(made, nw.Expr)]
    other = [made.alias(name) for name, made in stage if isinstance(made, pl.Expr)]
    if portable:
        pending = pending.then(pending.frame.with_columns(*portable))
    if other:
        pending = pending.then(nw.from_native(native(pending.frame).with_columns(*other)))
    return pending


class _Compiled(NamedTuple):
    """A node as a term; `stage` is the first that may read it, `depth` its levels since the last temporary."""

    term: Term
    stage: int
    depth: int
    reads: frozenset[str]  # temporaries
    column: str = ""  # name, where it is one


class _Stages:
    """Compiles a set of expressions to terms over stored and temporary columns, and the temporaries in stages.

    A temporary of stage s reads stored columns and temporaries of stages below s.
    """

    def __init__(self, fields: Fields, roots: tuple[Expression, ...]) -> None:
        nodes = list(postorder(*roots))
        self._types = types_of(roots, fields)
        self._with_nan = self._find_nan(nodes)
        self._wanted = self._find_wanted(nodes, roots)
        self._compiled: dict[int, _Compiled] = {}
        self._made: defaultdict[int, list[Temporary]] = defaultdict(list)
        self._last: dict[str, float] = {}  # last stage that reads a temporary
        for node in nodes:
            self._compiled[id(node)] = self._compile(node)
        for root in roots:
            self._last |= dict.fromkeys(self._compiled[id(root)].reads, math.inf)

    def term(self, expression: Expression) -> Term:
        """Without NaN."""
        return self._given(expression).term

    def temporaries(self) -> Iterator[tuple[list[Temporary], list[str]]]:
        """Stage by stage: the temporaries to make, and those made by then that are still to be read."""
        alive: list[str] = []
        for stage, made in sorted(self._made.items()):
            alive = [name for name in (*alive, *(name for name, _ in made)) if self._last.get(name, -1) > stage]
            yield made, alive

    # -- what is to be a column of its own ----------------------------------------------------------------------------
    def _find_nan(self, nodes: list[Node]) -> set[int]:
        """Nodes that may have NaN for missing values."""
        found: set[int] = set()
        for node in nodes:
            if isinstance(node, Call) and self._types[id(node)].dtype is DType.FLOAT:
                passed = _passes_nan(node) and any(id(child) in found for child in children(node))
                if passed or node.function in MAKES_NAN:
                    found.add(id(node))
        return found

    def _find_wanted(self, nodes: list[Node], roots: tuple[Expression, ...]) -> set[int]:
        uses = Counter(id(child) for node in nodes for child in children(node))
        shared = {id(node) for node in nodes if uses[id(node)] > 1 and children(node)}
        given = {id(child) for node in nodes if self._takes_columns(node) for child in children(node)}
        cleaned = {id(child) for node in nodes if not _passes_nan(node) for child in children(node)}
        cleaned |= {id(root) for root in roots}
        return shared | given | (cleaned & self._with_nan)

    def _takes_columns(self, node: Node) -> bool:
        if isinstance(node, Call):
            return node.function in NATIVE or node.function in READS_TWICE
        return isinstance(node, (IsIn, Recode, Lookup, RowFunction)) or self._is_native(node)

    def _is_native(self, node: Node) -> bool:
        if isinstance(node, Cast):
            return not is_widening(self._types[id(node.of)].dtype, node.dtype)
        return isinstance(node, Cut) or (isinstance(node, Call) and node.function in NATIVE)

    # -- compilation --------------------------------------------------------------------------------------------------
    def _compile(self, node: Node) -> _Compiled:
        field = self._types[id(node)]
        if isinstance(node, Value):
            return _Compiled(Term(nw.col(stored(node.name)), field), 0, 0, frozenset(), stored(node.name))
        as_they_are = _passes_nan(node)
        inputs = [self._compiled[id(child)] if as_they_are else self._given(child) for child in children(node)]
        stage = max((compiled.stage for compiled in inputs), default=0)
        depth = 1 + max((compiled.depth for compiled in inputs), default=0)
        reads = frozenset[str]().union(*(compiled.reads for compiled in inputs))
        if isinstance(node, RowFunction):
            of = tuple(self._types[id(child)] for child in node.arguments)
            made: Any = _RowCall(node, of, tuple(self._compiled[id(child)].column for child in node.arguments))
        elif self._is_native(node):
            made = _native(node, tuple(self._native_term(child) for child in children(node)))
        else:
            made = _portable(node, tuple(compiled.term for compiled in inputs), field)
            if id(node) not in self._wanted and depth <= _DEEPEST:
                return _Compiled(Term(made, field), stage, depth, reads)
        name = f"t:{len(self._compiled)}"
        self._made[stage].append((name, made))
        self._last |= {read: max(stage, self._last.get(read, 0)) for read in reads}
        return _Compiled(Term(nw.col(name), field), stage + 1, 0, frozenset({name}), name)

    def _given(self, node: Node) -> _Compiled:
        """A node as most rules take it: without NaN."""
        compiled = self._compiled[id(node)]
        if id(node) not in self._with_nan:
            return compiled
        return compiled._replace(term=Term(no_nan(compiled.column, DType.FLOAT), compiled.term.field))

    def _native_term(self, node: Node) -> Term:
        column = pl.col(self._compiled[id(node)].column)
        return Term(column.fill_nan(None) if id(node) in self._with_nan else column, self._types[id(node)])


def _passes_nan(node: Node) -> bool:
    return isinstance(node, Call) and node.function in PASSES_NAN


def _native(node: Node, inputs: tuple[Term, ...]) -> pl.Expr:
    if isinstance(node, Cast):
        return cast(inputs[0].expression, inputs[0].dtype, node.dtype, node.format)
    if isinstance(node, Cut):
        return _cut(node, inputs[0])
    assert isinstance(node, Call)
    return NATIVE[node.function](inputs, node.options)


def _portable(node: Node, inputs: tuple[Term, ...], field: Field) -> nw.Expr:
    if isinstance(node, Literal):
        return literal(node.value, node.dtype)
    if isinstance(node, Call):
        return PORTABLE[node.function](inputs, node.options, field.dtype)
    if isinstance(node, Cast):
        return as_type(inputs[0], node.dtype)
    if isinstance(node, IsIn):
        return _is_in(inputs[0], node.values)
    if isinstance(node, Recode):
        return _recode(node, inputs[0])
    if isinstance(node, Lookup):
        return looked_up(node, inputs)
    raise AssertionError(f"unhandled expression {type(node).__name__}")


def _is_in(of: Term, values: tuple[Constant, ...]) -> nw.Expr:
    found = as_stored(of.expression, of.dtype).is_in(list(_matching(values, of.dtype))).fill_null(False)
    return found | of.expression.is_null() if any(_is_missing(value) for value in values) else found


def _recode(node: Recode, of: Term) -> nw.Expr:
    new = [converted(value, node.dtype) for value in node.new]
    pairs = {key: value for old, value in zip(node.old, new, strict=True) for key in _matching((old,), of.dtype)}
    result = _narrowed(of, node.dtype) if node.keep else nw.lit(None, NARWHALS[node.dtype])
    if pairs:
        result = _replaced(as_stored(of.expression, of.dtype), pairs, node.dtype, result)
    of_missing = [value for old, value in zip(node.old, new, strict=True) if _is_missing(old)]
    if of_missing:
        result = nw.when(of.expression.is_null()).then(literal(of_missing[-1], node.dtype)).otherwise(result)
    return result


def _narrowed(of: Term, dtype: DType) -> nw.Expr:
    """`of` as a number of any other type; null where it has no place there."""
    if is_widening(of.dtype, dtype):
        return as_type(of, dtype)
    if dtype is DType.BOOLEAN:
        return of.expression != 0
    fits = (of.expression >= -(2.0**63)) & (of.expression < 2.0**63)
    return nw.when(fits).then(of.expression).otherwise(nw.lit(None, NARWHALS[of.dtype])).cast(NARWHALS[dtype])


def _replaced(of: nw.Expr, pairs: dict[Any, Any], dtype: DType, default: nw.Expr) -> nw.Expr:
    wire = nw.Int64() if dtype in (DType.DATETIME, DType.DURATION) else NARWHALS[dtype]
    return of.replace_strict(list(pairs), list(pairs.values()), default=default.cast(wire), return_dtype=wire).cast(
        NARWHALS[dtype]
    )


def _cut(node: Cut, of: Term) -> pl.Expr:
    edges = np.array(node.edges)
    labels = pl.Series([None, *node.labels, None], dtype=pl.String)

    def find(values: pl.Series) -> pl.Series:
        numbers = values.to_numpy()
        bins = np.searchsorted(edges, numbers, side="left" if node.right else "right")
        if node.include_lowest:
            bins[numbers == edges[0]] = 1
        return labels.gather(pl.Series(bins.astype(np.uint32)))

    number = of.expression.cast(pl.Int64) if of.dtype in (DType.DATETIME, DType.DURATION) else of.expression
    return number.cast(pl.Float64).map_batches(find, return_dtype=pl.String, is_elementwise=True)


def _matching(values: tuple[Constant, ...], dtype: DType) -> Iterable[Any]:
    for value in values:
        if not _is_missing(value):
            try:
                yield matching(value, dtype)
            except NoMatch:
                continue


def _is_missing(value: Constant) -> bool:
    return value is None or value != value
