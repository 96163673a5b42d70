"""Engine: evaluates relations over the room's tables, with pandas' semantics, through Narwhals on lazy Polars.

Promise: what it gives stays in the vault; the same relation always gives the same rows; only the columns that a
question needs are computed. Plans are walked by loops, whatever their depth, and what several parts of a plan share is
computed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import narwhals as nw
import polars as pl
from numpy.typing import NDArray

from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, Field, Named, RowFunction, Value
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.relations import Predict, Table
from cleanroom_kernel.vault import watch
from cleanroom_kernel.vault.columns import ROW, check_reserved, stored
from cleanroom_kernel.vault.expressions import Caller, names_in, project
from cleanroom_kernel.vault.pending import collected
from cleanroom_kernel.vault.relations import RULES, inputs_of
from cleanroom_kernel.vault.rowcalls import NO_ROW_FUNCTIONS
from cleanroom_kernel.vault.rows import Names, Rows, hidden, kept_columns
from cleanroom_kernel.vault.seeds import Seeds
from cleanroom_kernel.vault.store import BUDGET, Kept, RowNumbers, Sized, Store, in_order
from cleanroom_kernel.vault.tables import Tables

Made = TypeVar("Made", bound=Sized)
Predictor = Callable[[Predict, "Engine"], NDArray[Any]]


class Engine:
    """`predictor` gives a fitted model's answers: an array with one row per row of `over`, in row order. `caller`
    calls row functions.
    """

    def __init__(
        self,
        tables: Tables,
        seeds: Seeds,
        predictor: Predictor,
        budget: int = BUDGET,
        caller: Caller = NO_ROW_FUNCTIONS,
    ) -> None:
        self.tables = tables
        self.seeds = seeds
        self._predictor = predictor
        self._caller = caller
        self._store = Store(budget)

    # -- what the rest of the vault asks ------------------------------------------------------------------------------
    def rows(self, relation: Relation) -> nw.LazyFrame[Any]:
        """All declared columns of a relation, UNIT (unless its rows are public) and ROW; in no particular order."""
        names = tuple(relation.fields)
        check_reserved(names)
        frame = self._evaluate(relation, frozenset(names)).pending.frame
        return frame.select(*(nw.col(stored(name)).alias(name) for name in names), *hidden(relation))

    def table(self, relation: Relation, columns: tuple[Named, ...], *, ordered: bool = True) -> pl.DataFrame:
        """`columns` over the rows of a relation, UNIT (unless its rows are public) and ROW, all in row order.

        With `ordered=False` they stand in any order, which is quicker.
        """
        check_reserved(tuple(column.name for column in columns))
        outputs = {_key(column.of): column.of for column in columns}
        frame = self._ordered(relation, outputs) if ordered else self._computed(relation, outputs).frame
        named = [frame.get_column(_key(column.of)).alias(column.name) for column in columns]
        return pl.DataFrame([*named, *(frame.get_column(name) for name in hidden(relation))])

    def noted(self, what: str, rows: RowNumbers, make: Callable[[], Made]) -> Made:
        """What was made of the rows of a relation for an earlier question, or else now. `rows` are their numbers as
        `table` gives them: in another order they are others.
        """
        key = f"noted {what}"
        found: tuple[RowNumbers, Made] | None = self._store.get(key)
        if found is not None and _is_same(found[0], rows):
            return found[1]
        made = make()
        self._store.put(key, (rows, made), made.nbytes)
        return made

    # -- what the relations' rules ask --------------------------------------------------------------------------------
    def remembered(self, relation: Relation, make: Callable[[], RowNumbers]) -> RowNumbers:
        key = f"drawn {digest(relation)}"
        found: RowNumbers | None = self._store.get(key)
        if found is None:
            found = make()
            self._store.put(key, found, found.nbytes)
        return found

    def predictions(self, relation: Predict) -> NDArray[Any]:
        key = f"predicted {digest(relation)}"
        found: NDArray[Any] | None = self._store.get(key)
        if found is None:
            found = self._predictor(relation, self)
            self._store.put(key, found, found.nbytes)
        return found

    def answers(self, function: RowFunction, fields: Sequence[Field], columns: Sequence[pl.Series]) -> pl.Series:
        """The same rows are asked about once: a question looks at its rows several times."""
        content = pl.DataFrame([column.alias(str(place)) for place, column in enumerate(columns)]).hash_rows()
        key = f"answers {digest(function)} {blake2b(content.to_numpy().tobytes(), digest_size=20).hexdigest()}"
        found: pl.Series | None = self._store.get(key)
        if found is None:
            found = self._caller.answers(function, fields, columns)
            self._store.put(key, found, found.estimated_size())
        return found

    # -- evaluation ---------------------------------------------------------------------------------------------------
    def _computed(self, relation: Relation, outputs: dict[str, Expression]) -> Kept:
        kept: Kept | None = self._store.get(digest(relation))
        missing = {key: of for key, of in outputs.items() if kept is None or not kept.has([key])}
        if kept is not None and not missing:
            return kept
        rows = self._evaluate(relation, frozenset(names_in(missing.values())))
        pending = project(rows.pending, relation.fields, missing, hidden(relation), self)
        return self._store.add(digest(relation), collected(pending.frame), rows.bound)

    def _ordered(self, relation: Relation, outputs: dict[str, Expression]) -> pl.DataFrame:
        key = f"ordered {digest(relation)}"
        kept: Kept | None = self._store.get(key)
        missing = [name for name in outputs if kept is None or not kept.has([name])]
        if kept is not None and not missing:
            return kept.frame
        computed = self._computed(relation, outputs)
        if computed.frame.get_column(ROW).is_sorted():
            return computed.frame
        frame = in_order(computed.frame.select(*missing, *hidden(relation)), computed.bound)
        return self._store.add(key, frame, computed.bound).frame

    def _evaluate(self, relation: Relation, needed: Names) -> Rows:
        order = _inputs_first(relation)
        needs, uses, found = self._needs(order, needed)
        results: dict[str, Rows] = {}
        for identity, part in order.items():
            if identity not in needs:
                continue
            watch.look()
            if identity in found:
                results[identity] = Rows.of(found[identity])
                continue
            inputs = tuple(results[digest(given)] for given in inputs_of(part))
            rows = RULES[type(part)].rows(part, inputs, needs[identity], self)
            if uses[identity] > 1 and not isinstance(part, Table):
                columns = kept_columns(part, needs[identity])
                rows = Rows.of(self._store.add(identity, rows.collect(*columns), rows.bound))
            results[identity] = rows
        return results[digest(relation)]

    def _needs(
        self, order: dict[str, Relation], needed: Names
    ) -> tuple[dict[str, Names], Counter[str], dict[str, Kept]]:
        """For each part that must be looked at: the columns that others read of it, by how many, and what is kept."""
        parts = list(order.items())
        needs: dict[str, Names] = {parts[-1][0]: needed}
        uses: Counter[str] = Counter()
        found: dict[str, Kept] = {}
        for identity, part in reversed(parts):
            if identity not in needs:
                continue
            kept: Kept | None = self._store.get(identity)
            if kept is not None and kept.has(map(stored, needs[identity])):
                found[identity] = kept
                continue
            wanted = RULES[type(part)].needs(part, needs[identity])
            for given, names in zip(inputs_of(part), wanted, strict=True):
                needs[digest(given)] = needs.get(digest(given), frozenset()) | names
                uses[digest(given)] += 1
        return needs, uses, found


def _is_same(one: RowNumbers, other: RowNumbers) -> bool:
    """Whether two arrays are one piece of memory, which nobody writes to."""
    return len(one) == len(other) and one.ctypes.data == other.ctypes.data


def _inputs_first(relation: Relation) -> dict[str, Relation]:
    """Every relation that `relation` is made from, each once, by digest."""
    digest(relation)
    order: dict[str, Relation] = {}
    stack = [(relation, False)]
    while stack:
        part, expanded = stack.pop()
        if digest(part) in order:
            continue
        if expanded:
            order[digest(part)] = part
        else:
            stack.append((part, True))
            stack.extend((given, False) for given in inputs_of(part) if digest(given) not in order)
    return order


def _key(expression: Expression) -> str:
    """Under which name a computed column is kept."""
    return stored(expression.name) if isinstance(expression, Value) else f"e:{digest(expression)}"
