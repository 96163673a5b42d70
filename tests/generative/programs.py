"""Programs: strategies for random expressions and relations over the small room.

Every function of the plan is drawn with every combination of types that its rule allows, and every relation with
whatever the plan lets it have; what the plan refuses to build is not a program.
"""

from __future__ import annotations

from itertools import product

from hypothesis import assume
from hypothesis import strategies as st

from cleanroom_kernel.plan import relations as r
from cleanroom_kernel.plan.expressions import Call, Cast, Cut, Expression, IsIn, Literal, Lookup, Named, Recode, Value
from cleanroom_kernel.plan.functions import RULES, Function
from cleanroom_kernel.plan.models import Estimator, Fit, Method, Task
from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.plan.references import KEY_TYPES, Attribute, Reference
from cleanroom_kernel.plan.schema import DType, Role
from tests.generative.room import GRADES, LABS, VALUES, VISITS, WARDS

MICROSECOND = {DType.DATETIME: 951_782_400_000_000, DType.DURATION: -86_399_000_000}

SIGNATURES: dict[Function, list[tuple[tuple[DType, ...], DType]]] = {
    function: [
        (types, result)
        for arity in range(rule.arity[0], min(rule.arity[1], 3) + 1)
        for types in product(DType, repeat=arity)
        if (result := rule.result(types)) is not None
    ]
    for function, rule in RULES.items()
}

NUMBERS = st.sampled_from([-7, -1, 0, 2, 30])

OPTIONS: dict[Function, st.SearchStrategy[tuple]] = {
    Function.CLIP: st.tuples(st.none() | NUMBERS, st.none() | NUMBERS),
    Function.ROUND: st.tuples(st.integers(-3, 3)),
    Function.CONTAINS: st.tuples(
        st.sampled_from(["a", "[ab]", "^.", "b$", r"\d+", "A|B", "."]), st.booleans(), st.booleans()
    ),
    Function.STARTS_WITH: st.tuples(st.sampled_from(["", "a", " ", "Ä", "."])),
    Function.ENDS_WITH: st.tuples(st.sampled_from(["", "b", " ", "ö", "."])),
    Function.SLICE: st.tuples(st.integers(-4, 4), st.none() | st.integers(-4, 4)),
    Function.REPLACE: st.sampled_from(
        [("a", "-", False), (".", "$1", False), ("[ab]", "<$>", True), ("(a)(b)", r"\2\g<1>!", True), ("b$", "", True)]
    ),
}  # fmt: skip


def literals(dtype: DType) -> st.SearchStrategy[Expression]:
    if dtype in MICROSECOND:
        return st.sampled_from([None, 0, MICROSECOND[dtype]]).map(lambda value: Literal(value, dtype))
    extra = GRADES if dtype is DType.STRING else ()
    return st.sampled_from([None, *VALUES[dtype], *extra]).map(lambda value: Literal(value, dtype))


@st.composite
def expressions(draw, fields, dtype: DType, depth: int) -> Expression:
    names = [name for name, field in fields.items() if field.dtype is dtype and not field.role.is_opaque]
    leaves = literals(dtype)
    if names:
        leaves = st.sampled_from(names).map(Value) | st.sampled_from(names).map(Value) | leaves
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(leaves)
    return draw(st.one_of(calls(fields, dtype, depth), others(fields, dtype, depth)))


def calls(fields, dtype: DType, depth: int) -> st.SearchStrategy[Expression]:
    possible = [name for name, signatures in SIGNATURES.items() if any(result is dtype for _, result in signatures)]
    return st.sampled_from(possible).flatmap(lambda function: call_of(fields, function, depth, dtype))


@st.composite
def call_of(draw, fields, function: Function, depth: int, dtype: DType | None = None) -> Expression:
    signatures = [types for types, result in SIGNATURES[function] if dtype is None or result is dtype]
    types = draw(st.sampled_from(signatures))
    arguments = tuple(draw(expressions(fields, of, depth - 1)) for of in types)
    if function in (Function.SIN, Function.COS):
        # Of 1e17, the sine is another one with every last digit, which libraries may round either way.
        arguments = (Call(Function.CLIP, arguments, (-1000, 1000)),)
    return Call(function, arguments, draw(OPTIONS.get(function, st.just(()))))


def others(fields, dtype: DType, depth: int) -> st.SearchStrategy[Expression]:
    made = [casts(fields, dtype, depth), recodes(fields, dtype, depth)]
    if dtype in (DType.INTEGER, DType.FLOAT, DType.BOOLEAN, DType.STRING):
        made.append(lookups(fields, dtype, depth))
    if dtype is DType.BOOLEAN:
        made.append(memberships(fields, depth))
    if dtype is DType.STRING:
        made.append(cuts(fields, depth))
    return st.one_of(made)


@st.composite
def casts(draw, fields, dtype: DType, depth: int) -> Expression:
    temporal = {DType.DATETIME, DType.DURATION}
    of = draw(st.sampled_from(DType))
    if of is not dtype and {of, dtype} & temporal and dtype is not DType.STRING:
        assume(of is DType.STRING and dtype is DType.DATETIME)
    formats = st.sampled_from([None, "%Y-%m-%d", "%Y-%m-%d %H:%M:%S"])
    date_format = draw(formats) if (of, dtype) == (DType.STRING, DType.DATETIME) else None
    return Cast(draw(expressions(fields, of, depth - 1)), dtype, date_format)


def constants(dtype: DType) -> st.SearchStrategy:
    if dtype in MICROSECOND:
        return st.sampled_from([None, 0, MICROSECOND[dtype]])
    finite = [value for value in VALUES[dtype] if value != float("inf")]
    return st.none() | st.sampled_from(finite + (list(GRADES) if dtype is DType.STRING else []))


@st.composite
def memberships(draw, fields, depth: int) -> Expression:
    of = draw(st.sampled_from(DType))
    return IsIn(draw(expressions(fields, of, depth - 1)), tuple(draw(st.lists(constants(of), max_size=4))))


@st.composite
def recodes(draw, fields, dtype: DType, depth: int) -> Expression:
    of = draw(st.sampled_from(DType))
    keep = draw(st.booleans()) if of is dtype or (of.is_numeric and dtype.is_numeric) else False
    old = draw(st.lists(constants(of), max_size=4, unique=True))
    new = draw(st.lists(constants(dtype), min_size=len(old), max_size=len(old)))
    return Recode(draw(expressions(fields, of, depth - 1)), tuple(old), tuple(new), dtype, keep)


@st.composite
def lookups(draw, fields, dtype: DType, depth: int) -> Expression:
    """In an uploaded table of one or two keys."""
    types = draw(st.lists(st.sampled_from(KEY_TYPES), min_size=1, max_size=2))
    row = st.tuples(*(constants(of).filter(lambda value: value is not None) for of in types))
    rows = draw(st.lists(row, min_size=1, max_size=5, unique=True))
    keys = tuple(
        Attribute(f"k{place}", of, tuple(values)) for place, (of, *values) in enumerate(zip(types, *rows, strict=True))
    )
    values = draw(st.lists(constants(dtype), min_size=len(rows), max_size=len(rows)))
    table = Reference("uploaded", keys, (Attribute("value", dtype, tuple(values)),))
    column = None if dtype is DType.BOOLEAN and draw(st.booleans()) else "value"
    of = tuple(draw(expressions(fields, draw(_joined_to(key)), depth - 1)) for key in types)
    return Lookup(of, table, column)


def _joined_to(key: DType) -> st.SearchStrategy[DType]:
    return st.just(key) if key is DType.STRING else st.sampled_from([DType.INTEGER, DType.FLOAT])


@st.composite
def cuts(draw, fields, depth: int) -> Expression:
    of = draw(st.sampled_from([DType.INTEGER, DType.FLOAT, DType.BOOLEAN, DType.DATETIME, DType.DURATION]))
    edges = draw(st.lists(st.sampled_from([-1e16, -1.0, 0.0, 1.0, 2.5, 40.0, 1e10, 1e16]), min_size=2, unique=True))
    labels = [f"bin {number}" for number in range(len(edges) - 1, 0, -1)]
    right, include_lowest = draw(st.tuples(st.booleans(), st.booleans()))
    return Cut(draw(expressions(fields, of, depth - 1)), tuple(sorted(edges)), tuple(labels), right, include_lowest)


@st.composite
def any_expression(draw, fields, depth: int = 2) -> Expression:
    return draw(expressions(fields, draw(st.sampled_from(DType)), depth))


# -- relations --------------------------------------------------------------------------------------------------------
SOURCES = st.sampled_from([r.Table(VISITS), r.Table(VISITS), r.Table(LABS), r.Table(WARDS)])


@st.composite
def relations(draw, steps: int = 3) -> r.Relation:
    """A relation of so many steps at most."""
    relation = draw(SOURCES)
    for _ in range(draw(st.integers(0, steps))):
        relation = draw(step(relation, draw(st.sampled_from(list(STEPS)))))
    return relation


@st.composite
def step(draw, over: r.Relation, kind: type[r.Relation]) -> r.Relation:
    """`kind` over `over`, unless the plan refuses it."""
    try:
        return draw(STEPS[kind](over))
    except PlanError:
        assume(False)


@st.composite
def filters(draw, over):
    return r.Filter(over, draw(expressions(over.fields, DType.BOOLEAN, 2)))


@st.composite
def named(draw, over, names=("n", "x", "new")):
    chosen = draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=3))
    return tuple(Named(name, draw(any_expression(over.fields))) for name in chosen)


@st.composite
def selects(draw, over):
    kept = draw(st.lists(st.sampled_from(list(over.fields)), unique=True, min_size=1))
    new = [column for column in draw(named(over)) if column.name not in kept]
    return r.Select(over, (*(Named(name, Value(name)) for name in kept), *new))


@st.composite
def assigns(draw, over):
    return r.Assign(over, draw(named(over)))


@st.composite
def joins(draw, over):
    other = draw(relations(steps=1))
    left, right = (over, other) if draw(st.booleans()) else (other, over)
    same = [
        (one, two)
        for one, first in left.fields.items()
        for two, second in right.fields.items()
        if first.dtype is second.dtype and first.dtype is not DType.FLOAT
    ]
    units = [
        (one, two)
        for one, two in same
        if all(field.role is Role.UNIT or field.one_unit for field in (left.fields[one], right.fields[two]))
    ]
    pairs = units if left.has_units and right.has_units else same
    assume(pairs)
    chosen = [draw(st.sampled_from(pairs)), *draw(st.lists(st.sampled_from(same), max_size=1))]
    assume(len(set(chosen)) == len(chosen))
    how = draw(st.sampled_from(r.How))
    return r.Join(left, right, tuple(one for one, _ in chosen), tuple(two for _, two in chosen), how, ("_a", "_b"))


@st.composite
def concats(draw, over):
    others = [over]
    others += draw(
        st.lists(st.sampled_from([over, *([over.over] if isinstance(over, r.Filter) else [])]), min_size=1, max_size=2)
    )
    return r.Concat(tuple(others))


def keys(over) -> st.SearchStrategy[tuple[str, ...]]:
    units = [name for name, field in over.fields.items() if field.role is Role.UNIT or field.one_unit]
    others = [
        name for name, field in over.fields.items() if field.dtype in (DType.STRING, DType.BOOLEAN, DType.INTEGER)
    ]
    first = st.sampled_from(units or list(over.fields))
    rest = st.lists(st.sampled_from(others or list(over.fields)), max_size=1)
    return st.tuples(first, rest).flatmap(lambda chosen: st.permutations([chosen[0], *chosen[1]])).map(tuple)


@st.composite
def per_units(draw, over):
    by = draw(keys(over))
    reductions = draw(st.lists(st.sampled_from(r.Reduction), min_size=1, max_size=3))
    columns = []
    for number, reduction in enumerate(reductions):
        numeric = st.sampled_from([DType.INTEGER, DType.FLOAT, DType.BOOLEAN, DType.DURATION])
        dtype = draw(numeric if reduction in NUMERIC else st.sampled_from(DType))
        of = None if reduction is r.Reduction.SIZE else draw(expressions(over.fields, dtype, 1))
        columns.append(r.Reduced(f"c{number}", reduction, of))
    return r.PerUnit(over, by, tuple(columns))


NUMERIC = {r.Reduction.SUM, r.Reduction.MEAN, r.Reduction.STD, r.Reduction.MEDIAN, r.Reduction.ANY, r.Reduction.ALL}


@st.composite
def windows(draw, over):
    function = draw(st.sampled_from(r.WindowFunction))
    of = None if function is r.WindowFunction.CUMCOUNT else draw(any_expression(over.fields, 1))
    free = [name for name, field in over.fields.items() if not field.role.is_opaque]
    order = draw(st.lists(st.sampled_from(free), max_size=2, unique=True)) if free else []
    name = draw(st.sampled_from(["w", "n"]))
    return r.Window(over, name, function, draw(keys(over)), of, tuple(order), draw(st.integers(-2, 2)))


@st.composite
def distincts(draw, over):
    return r.Distinct(over, draw(keys(over)), draw(st.booleans()))


@st.composite
def sorts(draw, over):
    by = draw(st.lists(any_expression(over.fields, 1), min_size=1, max_size=2))
    return r.Sort(over, tuple(by), tuple(draw(st.booleans()) for _ in by))


def takes(over):
    return st.integers(-5, 5).filter(bool).map(lambda n: r.Take(over, n))


@st.composite
def samples(draw, over):
    seed = draw(st.integers(0, 3))
    if draw(st.booleans()):
        return r.Sample(over, seed, fraction=draw(st.sampled_from([0.3, 0.5, 1.0])))
    return r.Sample(over, seed, n=draw(st.integers(1, 4)))


@st.composite
def splits(draw, over):
    by_unit = over.has_units and draw(st.booleans())
    shuffle = by_unit or draw(st.booleans())
    stratify = None
    if shuffle and not by_unit and draw(st.booleans()):
        stratify = draw(expressions(over.fields, draw(st.sampled_from([DType.BOOLEAN, DType.INTEGER])), 1))
    test = draw(st.sampled_from([0.25, 0.5, 1, 3]))
    return r.Split(over, draw(st.sampled_from(r.Side)), draw(st.integers(0, 3)), test, shuffle, by_unit, stratify)


@st.composite
def predicts(draw, over):
    inputs = tuple(
        Named(f"i{number}", draw(expressions(over.fields, draw(st.sampled_from([DType.INTEGER, DType.FLOAT])), 1)))
        for number in range(draw(st.integers(1, 2)))
    )
    fit = Fit(over, Estimator("sklearn.linear_model.LinearRegression"), Task.REGRESS, inputs, Literal(1.0, DType.FLOAT))
    return r.Predict(over, fit, Method.PREDICT, inputs, ("guess",))


STEPS = {
    r.Filter: filters,
    r.Select: selects,
    r.Assign: assigns,
    r.Join: joins,
    r.Concat: concats,
    r.PerUnit: per_units,
    r.Window: windows,
    r.Distinct: distincts,
    r.Sort: sorts,
    r.Take: takes,
    r.Sample: samples,
    r.Split: splits,
    r.Predict: predicts,
}
