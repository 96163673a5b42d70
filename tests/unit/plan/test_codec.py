"""The codec: every kind of node travels, and only valid plans come back."""

import msgspec
import pytest

from cleanroom_kernel.plan import codec
from cleanroom_kernel.plan.aggregates import Column, Mean, Size, Summary
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.expressions import Call, Literal, Named, Value
from cleanroom_kernel.plan.functions import Function
from cleanroom_kernel.plan.nodes import Forbidden, PlanError, digest, postorder
from cleanroom_kernel.plan.relations import Assign, Filter, Join, PerUnit, Reduced, Reduction, Select, Table
from cleanroom_kernel.plan.schema import Column as Declared
from cleanroom_kernel.plan.schema import DType, Role, RoomSchema, TableSchema

ROOM = RoomSchema(
    "ward",
    (
        TableSchema(
            "stays",
            (
                Declared("patient", DType.INTEGER, Role.UNIT),
                Declared("stay", DType.INTEGER, Role.KEY, one_unit=True, unique=True),
                Declared("age", DType.INTEGER, lower=0, upper=120),
                Declared("sex", DType.STRING, categories=("F", "M")),
                Declared("note", DType.STRING, Role.TEXT),
                Declared("name", DType.STRING, Role.HIDDEN),
            ),
        ),
        TableSchema("codes", (Declared("sex", DType.STRING), Declared("word", DType.STRING))),
    ),
)
STAYS = Table(ROOM["stays"])


def age(n=1):
    return Call(Function.ADD, (Value("age"), Literal(n, DType.INTEGER)))


def mean_age(over):
    return Summary(over, (Column("age", Mean(Value("age"))),), by=(Named("sex", Value("sex")),))


def test_a_plan_comes_back_with_the_same_meaning():
    """The digest, which names a question in the ledger, survives the journey."""
    adults = Filter(STAYS, Call(Function.GREATER_EQUAL, (Value("age"), Literal(18, DType.INTEGER))))
    question = mean_age(Assign(adults, (Named("older", age()),)))
    assert digest(codec.decode(codec.encode(question), ROOM, Aggregate)) == digest(question)


def test_a_graph_stays_a_graph():
    """Forty self-joins share their input: 2**40 nodes as a tree, a few hundred as the graph that it is."""
    over = Select(STAYS, (Named("stay", Value("stay")), Named("age", Value("age"))))
    for _ in range(40):
        counts = PerUnit(over, ("stay",), (Reduced("n", Reduction.SIZE),))
        joined = Join(over, counts, ("stay",), ("stay",))
        over = Select(joined, (Named("stay", Value("stay")), Named("age", Value("n"))))
    body = codec.encode(Summary(over, (Column("rows", Size()),)))
    assert len(list(postorder(codec.decode(body, ROOM, Aggregate)))) < 500


def test_hidden_columns_are_in_no_plan():
    assert "name" not in STAYS.fields
    with pytest.raises(PlanError, match="no column 'name'"):
        Filter(STAYS, Call(Function.EQUAL, (Value("name"), Literal("Ann", DType.STRING))))


def test_the_asker_cannot_bring_a_schema_of_its_own():
    """A table travels as a name alone: a forged role for the unit column has nowhere to stand."""
    forged = TableSchema("stays", (Declared("patient", DType.INTEGER), Declared("name", DType.STRING)))
    decoded = codec.decode(codec.encode(Summary(Table(forged), (Column("n", Size()),))), ROOM, Aggregate)
    assert decoded.over.fields["patient"].role is Role.UNIT
    assert "name" not in decoded.over.fields


@pytest.mark.parametrize("column", ["patient", "stay", "note"])
def test_opaque_columns_are_no_values(column):
    with pytest.raises(Forbidden) as refusal:
        mean_age(Filter(STAYS, Call(Function.EQUAL, (Value(column), Value(column)))))
    assert refusal.value.rule == "opaque columns"


def row(kind="expressions.Value", data=None, one=None, many=None):
    return [kind, {"name": "age"} if data is None else data, one or {}, many or {}]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row()],
        [row("os.system")],
        [row("nodes.Node", {})],
        [row("expressions.Expression", {})],
        [row(data={"name": 5})],
        [row(data={"name": "age", "extra": 1})],
        [row(data={})],
        [row(one={"of": 0})],
        [row("expressions.Cast", {"dtype": "float", "format": None}, {"of": 0})],
        [row("expressions.Cast", {"dtype": "float", "format": None}, {"of": -1})],
        [row(), row("relations.Filter", {}, {"over": 0, "where": 0})],
        [row("relations.Table", {"name": "stays", "schema": {}})],
        [row("relations.Table", {"name": "nowhere"})],
    ],
)
def test_what_is_no_plan_is_refused(rows):
    with pytest.raises(PlanError):
        codec.decode(msgspec.msgpack.encode(rows), ROOM, Aggregate)


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xc1", b"\x90" * 5000, b"\xff" * 100])
def test_bytes_that_are_no_message_are_refused(body):
    with pytest.raises(PlanError):
        codec.decode(body, ROOM, Aggregate)


def chain(length):
    over = STAYS
    for _ in range(length):
        over = Filter(over, Call(Function.GREATER, (Value("age"), Literal(1, DType.INTEGER))))
    return Summary(over, (Column("n", Size()),))


def test_limits_are_kept_on_both_sides():
    with pytest.raises(codec.Limits):
        codec.encode(chain(codec.MAX_NODES // 3))
    with pytest.raises(codec.Limits):
        codec.decode(b"\x00" * (codec.MAX_BYTES + 1), ROOM, Aggregate)
    with pytest.raises(codec.Limits, match="deeper"):
        codec.decode(codec.encode(chain(codec.MAX_DEPTH)), ROOM, Aggregate)


def test_two_tables_of_patients_join_inside_a_patient_only():
    with pytest.raises(Forbidden, match="different patients"):
        Join(STAYS, STAYS, ("age",), ("age",))
    assert Join(STAYS, STAYS, ("patient",), ("patient",)).has_units
    assert Join(STAYS, Table(ROOM["codes"]), ("sex",), ("sex",)).fields["word"].dtype is DType.STRING
