"""The engine against pandas: random programs over small random tables give the same rows, values and gaps."""

import inspect
import math

import pytest
from hypothesis import HealthCheck, Phase, assume, find, given, settings
from hypothesis import strategies as st

from cleanroom_kernel.plan import relations as r
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Named, Value
from cleanroom_kernel.plan.functions import RULES, Function
from cleanroom_kernel.plan.nodes import PlanError, postorder
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.vault import relations
from cleanroom_kernel.vault.columns import UNIT
from cleanroom_kernel.vault.expressions import FUNCTIONS
from cleanroom_kernel.vault.expressions_functions import NATIVE, PORTABLE
from cleanroom_kernel.vault.values import POLARS
from tests.generative import pandas_reference as reference
from tests.generative import programs
from tests.generative.room import VISITS, engine_of, frames

PLAN_RELATIONS = {
    kind for _, kind in inspect.getmembers(r, inspect.isclass) if issubclass(kind, Relation) and kind is not Relation
}

quick = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
long = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


def predictor(relation, engine):
    table = engine.table(relation.over, relation.inputs)
    columns = [table.get_column(column.name).cast(float).to_numpy() for column in relation.inputs]
    return reference.predictions(columns, relation.names)


def check(relation, tables):
    """Same rows in the same order, of the same units, with the same values and gaps."""
    try:
        expected = reference.rows(relation, tables)
    except reference.Undefined:
        assume(False)
    engine = engine_of(tables, predictor)
    found = engine.table(relation, tuple(Named(name, Value(name)) for name in relation.fields))
    if relation.has_units:
        assert found.get_column(UNIT).to_list() == expected[UNIT].tolist()
    assert found.height == len(expected)
    for name, field in relation.fields.items():
        column = found.get_column(name)
        assert column.dtype == POLARS[field.dtype]
        for one, other in zip(column.to_list(), reference.plain(expected[name]), strict=True):
            assert same(one, other, field.dtype), (name, column.to_list(), reference.plain(expected[name]))


def same(one, other, dtype):
    if one is None or other is None:
        return one is None and other is None
    if dtype is DType.DURATION:
        return abs(one - other).total_seconds() <= 2e-6  # means are rounded either way
    if dtype is DType.FLOAT:
        return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12) or one == other
    return one == other


@pytest.mark.parametrize("function", list(Function), ids=lambda function: function.value)
@quick
@given(data=st.data(), tables=frames())
def test_every_function_agrees_with_pandas(function, data, tables):
    over = r.Table(VISITS)
    try:
        made = r.Assign(over, (Named("new", data.draw(programs.call_of(over.fields, function, 2))),))
    except PlanError:
        assume(False)
    check(made, tables)


@pytest.mark.parametrize("kind", ["casts", "recodes", "memberships", "cuts"])
@long
@given(data=st.data(), tables=frames())
def test_every_other_expression_agrees_with_pandas(kind, data, tables):
    over = r.Table(VISITS)
    strategy = getattr(programs, kind)
    dtype = () if kind in ("memberships", "cuts") else (data.draw(st.sampled_from(DType)),)
    try:
        made = r.Assign(over, (Named("new", data.draw(strategy(over.fields, *dtype, 1))),))
    except PlanError:
        assume(False)
    check(made, tables)


@pytest.mark.parametrize("kind", list(programs.STEPS), ids=lambda kind: kind.__name__)
@long
@given(data=st.data(), tables=frames())
def test_every_relation_agrees_with_pandas(kind, data, tables):
    over = data.draw(programs.relations(steps=1))
    check(data.draw(programs.step(over, kind)), tables)


@settings(long, max_examples=200)
@given(relation=programs.relations(steps=5), tables=frames())
def test_random_programs_agree_with_pandas(relation, tables):
    check(relation, tables)


def test_the_engine_has_a_rule_for_every_function_once():
    assert set(FUNCTIONS) == set(Function)
    assert not set(PORTABLE) & set(NATIVE)


def test_the_engine_has_a_rule_for_every_relation():
    assert set(relations.RULES) == PLAN_RELATIONS


def test_the_strategies_draw_every_function_with_every_option():
    assert set(programs.SIGNATURES) == set(Function)
    assert all(programs.SIGNATURES.values())
    assert set(programs.OPTIONS) == {function for function, rule in RULES.items() if rule.options}


def test_the_strategies_draw_every_relation():
    assert {*programs.STEPS, r.Table} == PLAN_RELATIONS


def test_the_reference_knows_every_function_and_relation():
    assert set(reference.FUNCTIONS) == set(Function)
    assert set(reference.RELATIONS) == PLAN_RELATIONS


def test_random_programs_do_draw_every_relation():
    """Not only in the tables: what the strategy builds holds them."""
    seen = set()

    @settings(max_examples=500, database=None, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(programs.relations(steps=5))
    def collect(relation):
        seen.update(type(node) for node in postorder(relation) if isinstance(node, Relation))

    collect()
    assert seen == PLAN_RELATIONS


@pytest.mark.parametrize("function", list(Function), ids=lambda function: function.value)
def test_random_expressions_do_draw_every_function(function):
    result = programs.SIGNATURES[function][0][1]
    strategy = programs.calls(r.Table(VISITS).fields, result, 1)
    first_found = settings(max_examples=5_000, database=None, phases=[Phase.generate])
    assert find(strategy, lambda call: call.function is function, settings=first_found).function is function
