"""Row functions against pandas: random functions of a value or a row answer in the room as in pandas' own apply.

Each function is written, put where a notebook's cells lie, and given to a handle and to the table that it stands for.
"""

import itertools
import linecache
import math

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from cleanroom_kernel.interpreter import connection
from cleanroom_kernel.plan.expressions import Named, RowFunction, Value
from cleanroom_kernel.plan.nodes import postorder
from tests.unit.interpreter.rooms import world

quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
_cells = itertools.count()

POINTS = {0: 2, 1: 3, 2: 5, 3: 7}
CHRONIC = ["E11", "I50"]

NUMBERS = {"age": "age", "readmitted": "readmitted", "tests": "tests"}  # columns of whole numbers
CONSTANTS = st.sampled_from(["0", "1", "2", "7", "-3", "0.5", "10"])


def numbers(value):
    """Expressions of a whole number `value`, which is there."""
    leaves = CONSTANTS | st.just(value) | st.just(f"len(str({value}))") | st.just(f"POINTS.get({value} % 5, 1)")

    def larger(inner):
        two = st.tuples(inner, inner)
        return st.one_of(
            two.flatmap(lambda ab: st.sampled_from([f"({ab[0]} {op} {ab[1]})" for op in ("+", "-", "*")])),
            two.flatmap(lambda ab: st.sampled_from([f"{f}({ab[0]}, {ab[1]})" for f in ("max", "min")])),
            st.tuples(inner, inner, inner).map(lambda abc: f"({abc[0]} if {abc[1]} > {abc[2]} else {abc[0]} + 1)"),
            inner.map(lambda a: f"abs({a})"),
            inner.map(lambda a: f"sum([n * n for n in range(int({a}) % 4)])"),
            inner.map(lambda a: f"sorted([{a}, 3, 1])[1]"),
            inner.map(lambda a: f"math.floor({a})"),
            inner.map(lambda a: f"float(np.sqrt(abs({a})))"),
        )

    return st.recursive(leaves, larger, max_leaves=6)


ANSWERS = {
    "float": lambda e, x: f"float({e}) + len(str({x}))",
    "int": lambda e, x: f"int({e}) % 1000 + int(str({x})[::-1])",
    "bool": lambda e, x: f"str({x})[0] in '1357' and ({e}) > 2",
    "str": lambda e, x: f"f'{{int({e}) % 7}}-{{{x} % 3}}'",
}


@st.composite
def of_a_value(draw):
    kind, column = draw(st.sampled_from(sorted(ANSWERS))), draw(st.sampled_from(sorted(NUMBERS)))
    missing = draw(st.sampled_from(["None", "nothing"]))
    inner = ANSWERS[kind](draw(numbers("int(x)")), "int(x)")
    nothing = {"float": -1.5, "int": -1, "bool": False, "str": "missing"}[kind]
    return column, f"def f(x, nothing={nothing!r}) -> {kind}:\n    return {missing} if pd.isna(x) else {inner}\n"


@st.composite
def of_a_row(draw):
    kind = draw(st.sampled_from(sorted(ANSWERS)))
    inner = ANSWERS[kind](draw(numbers("int(row.age)")), "int(row.age)")
    other = draw(st.sampled_from(["row.code in CHRONIC", "len(set(row['code'])) > 2", "row.get('died', False)"]))
    return None, f"def f(row) -> {kind}:\n    if {other}:\n        return None\n    return {inner}\n"


FUNCTIONS = st.one_of(of_a_value(), of_a_row())


def written(source):
    """The function that a cell with this source would define."""
    filename = f"<cell {next(_cells)}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    import numpy as np

    names = {"pd": pd, "math": math, "np": np, "POINTS": POINTS, "CHRONIC": CHRONIC}
    exec(compile(source, filename, "exec"), names)
    return names["f"]


@pytest.fixture(scope="module")
def ward():
    made = world(seed=3, rows=60)
    connection.use(made.room._connection)
    return made


def answers(world, column, source):
    """By stay: those of the room, and those of pandas."""
    function, stays, table = written(source), world.room["stays"], world.tables["stays"]
    if column is None:
        ours, theirs = stays.apply(function, axis=1), table.apply(function, axis=1)
    else:
        ours, theirs = stays[column].apply(function), table[column].apply(function)
    named = (Named("stay", Value("stay")), Named("f", ours._expression))
    found = world.vault.desk.engine.table(ours._rows, named)
    called = any(isinstance(node, RowFunction) for node in postorder(ours._expression, ours._rows))
    return called, dict(zip(*found.select("stay", "f"), strict=True)), dict(zip(table.stay, theirs, strict=True))


def same(one, other):
    if one is None or pd.isna(other):
        return one is None and bool(pd.isna(other))
    return one == other


@quick
@given(FUNCTIONS)
def test_a_row_function_answers_for_every_row_as_in_pandas(ward, function):
    called, ours, theirs = answers(ward, *function)
    assert called
    assert ours.keys() == theirs.keys()
    different = {stay: (ours[stay], theirs[stay]) for stay in ours if not same(ours[stay], theirs[stay])}
    assert not different, function[1]


@pytest.mark.parametrize("kind", sorted(ANSWERS))
@pytest.mark.parametrize("of", [of_a_value(), of_a_row()], ids=["value", "row"])
def test_the_functions_are_of_every_kind(kind, of):
    only = settings(max_examples=200, phases=[Phase.generate], deadline=None)
    assert find(of, lambda made: f"-> {kind}:" in made[1], settings=only)
