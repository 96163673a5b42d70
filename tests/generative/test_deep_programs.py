"""Deep and shared programs: no function may write its inputs out twice, or the work would double at every level."""

import polars as pl
import pytest

from cleanroom_kernel.plan import relations as r
from cleanroom_kernel.plan.expressions import Call, Cast, Cut, Expression, Literal, Named, Recode, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault.values import POLARS
from tests.generative.programs import SIGNATURES
from tests.generative.room import ROOM, VALUES, VISITS, engine_of

LEVELS = 60

OPTIONS = {
    Function.CLIP: (0, 30),
    Function.ROUND: (1,),
    Function.SLICE: (0, 5),
    Function.REPLACE: ("a", "b", False),
}
COLUMNS = {DType.INTEGER: "n", DType.FLOAT: "x", DType.BOOLEAN: "flag", DType.STRING: "s", DType.DATETIME: "at"}
COLUMNS |= {DType.DURATION: "took"}


def composable(function):
    """A signature whose result is of the type of one of its inputs."""
    return next(((types, result) for types, result in SIGNATURES[function] if result in types), None)


NESTABLE = {function: found for function in Function if (found := composable(function))}


@pytest.fixture(scope="module")
def engine():
    tables = {}
    for table in ROOM.tables:
        keys = {"visit": [1, 2], "person": ["p1", "p2"]}
        columns = [
            pl.Series(
                column.name,
                keys.get(column.name) or list(column.categories or VALUES[column.dtype])[:2],
                dtype=POLARS[column.dtype],
            )
            for column in table.columns
        ]
        tables[table.name] = pl.DataFrame(columns)
    return engine_of(tables)


def constant(dtype: DType) -> Expression:
    value = {DType.DATETIME: 0, DType.DURATION: 1_000_000}.get(dtype, VALUES[dtype][0])
    return Literal(value, dtype)


@pytest.mark.parametrize("function", list(NESTABLE), ids=lambda function: function.value)
def test_any_function_can_be_nested(engine, function):
    types, result = NESTABLE[function]
    place = types.index(result)
    expression = Value(COLUMNS[result])
    for _ in range(LEVELS):
        arguments = [constant(dtype) for dtype in types]
        arguments[place] = expression
        expression = Call(function, tuple(arguments), OPTIONS.get(function, ()))
    assert engine.table(r.Table(VISITS), (Named("new", expression),)).height == 2


def nested_recode(expression):
    return Recode(expression, (0, None), (1, 2), DType.INTEGER, True)


def nested_cut(expression):
    return Cast(Cut(Cast(expression, DType.FLOAT), (-1e9, 0.0, 1e9), ("1", "2"), True), DType.INTEGER)


def nested_casts(expression):
    return Cast(Cast(Cast(expression, DType.FLOAT), DType.STRING), DType.FLOAT)


@pytest.mark.parametrize("nest", [nested_recode, nested_cut, nested_casts])
def test_any_other_expression_can_be_nested(engine, nest):
    expression = Value("n")
    for _ in range(LEVELS):
        expression = nest(expression)
    assert engine.table(r.Table(VISITS), (Named("new", expression),)).height == 2


STEPS = {
    r.Filter: lambda over: r.Filter(over, Call(Function.NOT, (Value("flag"),))),
    r.Select: lambda over: r.Select(over, tuple(Named(name, Value(name)) for name in over.fields)),
    r.Assign: lambda over: r.Assign(over, (Named("x", Call(Function.ADD, (Value("x"), Value("n")))),)),
    r.Join: lambda over: (
        r.Join(over, r.Distinct(r.Table(VISITS), ("visit",)), ("visit",), ("visit",), suffixes=("", "_r"))
        if "x_r" not in over.fields
        else r.Join(over, r.PerUnit(over, ("visit",), ()), ("visit",), ("visit",))
    ),
    r.Concat: lambda over: r.Concat((r.Take(over, 1), r.Take(over, -1))),
    r.PerUnit: lambda over: r.PerUnit(
        over,
        tuple(name for name in over.fields if name in ("person", "visit")),
        tuple(r.Reduced(name, r.Reduction.FIRST, Value(name)) for name in ("x", "n", "flag")),
    ),
    r.Window: lambda over: r.Window(over, "x", r.WindowFunction.CUMSUM, ("visit",), Value("x"), ("n",)),
    r.Distinct: lambda over: r.Distinct(over, ("visit",)),
    r.Sort: lambda over: r.Sort(over, (Value("x"), Value("n")), (True, False)),
    r.Take: lambda over: r.Take(over, 2),
    r.Sample: lambda over: r.Sample(over, 1, fraction=1.0),
    r.Split: lambda over: r.Split(over, r.Side.TRAIN, 1, 0.01, shuffle=False),
}


@pytest.mark.parametrize("kind", list(STEPS), ids=lambda kind: kind.__name__)
def test_any_relation_can_be_stacked_three_hundred_deep(engine, kind):
    relation = r.Table(VISITS)
    for _ in range(300):
        relation = STEPS[kind](relation)
    assert engine.table(relation, (Named("x", Value("x")),)).height <= 2
