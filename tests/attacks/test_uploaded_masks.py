"""Tables that an attacker brings: masks over patients, weights by rare values, and what they could be joined on."""

from __future__ import annotations

import msgspec
import pytest
from support.rooms import call, col, eq, lit, mean, size, summary, total, where
from support.worlds import TARGET, N, all_stopped, last_tells_nothing, outcome, stopped, table, tells_little, world

from cleanroom_kernel.disclosure.forms import form_of
from cleanroom_kernel.disclosure.selections import is_mixed
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.bases import Aggregate
from cleanroom_kernel.plan.codec import decode, encode
from cleanroom_kernel.plan.expressions import Lookup, Named
from cleanroom_kernel.plan.nodes import Forbidden, PlanError
from cleanroom_kernel.plan.references import Attribute, Reference
from cleanroom_kernel.plan.relations import Assign
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.messages import InterpreterRequest, Upload


def by_age(values, dtype=DType.INTEGER, name="mask"):
    """A table that says something of every age; the target is the only patient of 99."""
    ages = tuple(range(18, 100))
    return Reference(
        name,
        (Attribute("age", DType.INTEGER, ages),),
        (Attribute("chosen", dtype, tuple(values(age) for age in ages)),),
    )


def by_serial(chosen, dtype=DType.INTEGER):
    """A table with one row per patient, told apart by an ordinary column."""
    serials = tuple(range(N))
    values = tuple(chosen(serial) for serial in serials)
    return Reference("mask", (Attribute("serial", DType.INTEGER, serials),), (Attribute("chosen", dtype, values),))


def chosen(reference):
    (key,) = reference.keys
    return Lookup((col(key.name),), reference, "chosen")


IS_TARGET = chosen(by_age(lambda age: age == 99, DType.BOOLEAN))
NOT_TARGET = chosen(by_age(lambda age: age != 99, DType.BOOLEAN))


def patients(room):
    return room["patients"]


def looked_up(room, reference):
    """The rows with the table's column beside them, as a merge makes them."""
    return Assign(patients(room), (Named("chosen", chosen(reference)),))


# -- selections -------------------------------------------------------------------------------------------------------
def test_one_patient_chosen_by_a_table_is_one_patient(room_of):
    all_stopped(
        room_of,
        lambda room: size(where(patients(room), IS_TARGET)),
        lambda room: mean(where(patients(room), IS_TARGET), "hiv"),
        lambda room: summary(where(patients(room), IS_TARGET), a.Units()),
    )


@pytest.mark.parametrize("statistic", [size, lambda rows: total(rows, "positive"), lambda rows: mean(rows, "cost")])
def test_everybody_but_one_by_a_table_is_compared_like_a_filter(room_of, statistic):
    women = eq("sex", "F")
    last_tells_nothing(
        room_of,
        lambda room: statistic(where(patients(room), women)),
        lambda room: statistic(where(where(patients(room), women), NOT_TARGET)),
    )


def test_a_mask_by_a_join_is_a_filter(room_of):
    """An inner merge keeps the rows whose key the table has."""
    ages = tuple(range(18, 99))
    others = Reference("others", (Attribute("age", DType.INTEGER, ages),), ())
    member = Lookup((col("age"),), others)
    last_tells_nothing(
        room_of,
        lambda room: total(patients(room), "positive"),
        lambda room: total(where(patients(room), member), "positive"),
    )


def test_groups_by_a_table_hide_those_of_one_patient(room_of):
    """And the number of everybody is withheld after them: less the shown groups, it were the hidden one."""
    groups = by_age(lambda age: "target" if age == 99 else "old" if age > 60 else "young", DType.STRING)
    for secret in (False, True):
        room = world(room_of, secret)
        grid = room.ask(summary(patients(room), a.Size(), by=(Named("group", chosen(groups)),))).payload
        assert {row[0]: hidden for row, hidden in zip(grid.rows, grid.suppressed[0], strict=True)}["target"]
        assert stopped(room.ask(size(patients(room))))


@pytest.mark.parametrize(
    "condition",
    [
        lambda lookup: call("equal", lookup, 1),
        lambda lookup: call("greater", lookup, 0),
        lambda lookup: call("and", call("greater", col("age"), 30), call("equal", lookup, 1)),
    ],
)
def test_rows_and_groups_by_a_table_have_the_wider_border(room_of, condition):
    """A table holds as many conditions as it has rows: a group can be filled up to the border with it."""
    room = world(room_of, True)
    reference = by_serial(lambda serial: serial % 10)
    assert is_mixed(where(patients(room), condition(chosen(reference))))
    merged = looked_up(room, reference)
    assert is_mixed(where(merged, condition(col("chosen"))))
    assert is_mixed(merged, [col("chosen")])
    assert not is_mixed(merged, [col("ward")])


def test_blocks_filled_up_by_a_table_do_not_name_who_is_positive(room_of):
    """In each block of ten nine are in the group whatever they have, by the table; the tenth only if positive."""
    blocks = chosen(by_serial(lambda serial: serial // 10))
    tenth = chosen(by_serial(lambda serial: serial % 10 == 0, DType.BOOLEAN))
    rows_of = call("or", col("hiv"), call("not", tenth))
    room, found = world(room_of, True), table(True)
    positive = {block for block in range(N // 10) if found["hiv"][block * 10]}
    rows = where(patients(room), rows_of)
    answer = room.ask(summary(rows, a.Size(), by=(Named("block", blocks),)))
    grid = answer.payload
    named = {label for (label,), hidden in zip(grid.rows, grid.suppressed[0], strict=True) if not hidden}
    assert len(named & positive) <= 0.05 * len(positive)


# -- measures ---------------------------------------------------------------------------------------------------------
MEASURES = {
    "weights": chosen(by_serial(lambda serial: 1_000 if serial == TARGET else 1)),
    "parts": chosen(by_serial(lambda serial: float(serial == TARGET) + 0.5, DType.FLOAT)),
    "powers of two": chosen(by_serial(lambda serial: 2 ** (serial % 50))),
}


@pytest.mark.parametrize("name", MEASURES)
def test_a_number_of_a_table_is_a_number_of_the_attackers_choice(room_of, name):
    room = world(room_of, True)
    assert form_of(MEASURES[name], patients(room)).free
    weighted = call("multiply", col("positive"), MEASURES[name])
    assert form_of(weighted, patients(room)).free
    merged = Assign(patients(room), (Named("weight", MEASURES[name]),))
    assert form_of(call("multiply", col("positive"), col("weight")), merged).free


def test_sums_with_weights_of_a_table_come_with_noise(room_of):
    """The target weighs a thousand times as much as everybody else."""
    tells_little(room_of, lambda room: total(patients(room), call("multiply", col("positive"), MEASURES["weights"])))


def test_a_condition_of_a_table_inside_a_measure_is_compared_like_a_filter(room_of):
    last_tells_nothing(
        room_of,
        lambda room: total(patients(room), "positive"),
        lambda room: total(patients(room), call("where", NOT_TARGET, col("positive"), lit(0))),
    )


def test_zeros_and_ones_of_a_table_are_a_condition(room_of):
    """Declared by the table's own cells, which the attacker chose: no more is believed of them than of a filter."""
    ones = chosen(by_age(lambda age: int(age != 99)))
    form = form_of(ones, patients(world(room_of, True)))
    assert form.is_conditional
    assert not form.natural
    last_tells_nothing(
        room_of,
        lambda room: total(patients(room), "hiv"),
        lambda room: total(patients(room), call("multiply", col("hiv"), ones)),
    )


def test_one_column_has_so_many_numbers_whatever_tables_are_brought(room_of):
    """A fresh table is a fresh name for the same column, and has its share of the column's budget."""
    room = world(room_of, True)
    stops = []
    for number in range(45):
        weights = chosen(by_age(lambda age, number=number: (age * 7 + number) % 53 + 2))
        stops.append(stopped(room.ask(total(patients(room), call("multiply", col("cost"), weights)))))
    assert not stops[0]
    assert stops[-1]
    assert sum(not stop for stop in stops) <= room.policy.free_answers


# -- keys -------------------------------------------------------------------------------------------------------------
def test_an_identifier_is_no_key_of_a_table(room_of):
    mask = Reference(
        "mask",
        (Attribute("id", DType.INTEGER, tuple(range(N))),),
        (Attribute("chosen", DType.INTEGER, tuple(range(N))),),
    )
    refused = outcome(world(room_of, True), lambda room: size(where(patients(room), call("equal", chosen(mask), 1))))
    assert isinstance(refused, Forbidden)
    assert refused.rule == "opaque columns"


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        (Attribute("age", DType.FLOAT, (1.5,)), "codes"),
        (Attribute("age", DType.DATETIME, (1,)), "text or numbers"),
        (Attribute("age", DType.INTEGER, (1, 1)), "several rows"),
        (Attribute("age", DType.INTEGER, (None,)), "missing"),
        (Attribute("age", DType.INTEGER, (True,)), "kind"),
        (Attribute("age", DType.INTEGER, (2**63,)), "64 bits"),
        (Attribute("age", DType.INTEGER, tuple(range(20_001))), "at most"),
    ],
)
def test_the_vault_checks_what_a_forged_upload_holds(column, rule):
    """A message that was never built by this package's API is checked when it is read."""
    with pytest.raises(PlanError, match=rule):
        Reference("mask", (column,), ())
    forged = msgspec.msgpack.encode(
        {
            "type": "upload",
            "number": 1,
            "reference": {"name": "mask", "keys": [msgspec.to_builtins(column)], "attributes": []},
        }
    )
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(forged, type=InterpreterRequest)


def test_a_plan_brings_no_table_of_its_own(room_of):
    """It names content; a name that was not uploaded is refused, and one that was means what was uploaded."""
    room = world(room_of, True)
    asked = mean(where(patients(room), NOT_TARGET), "cost")
    body = encode(asked)
    with pytest.raises(PlanError, match="not uploaded"):
        decode(body, room.schema, Aggregate)
    other = by_age(lambda age: age > 60, DType.BOOLEAN)
    with pytest.raises(PlanError, match="not uploaded"):
        decode(body, room.schema, Aggregate, {other.identity: other})
    upload = msgspec.msgpack.decode(msgspec.msgpack.encode(Upload(1, other)), type=InterpreterRequest)
    assert upload.reference.identity == other.identity
