"""Attacks of a second reader of the gate's source: natural measures with made-up constants, rows that are repeated,
conditions that are put where nobody looks for them.
"""

from __future__ import annotations

import pytest
from support.rooms import call, col
from support.worlds import world

from cleanroom_kernel.disclosure.forms import form_of


def patients(room):
    return room["patients"]


def add(*arguments):
    return call("add", *arguments)


def times(one, other):
    return call("multiply", one, other)


# -- constants that are made of columns -------------------------------------------------------------------------------
def one():
    return call("divide", col("age"), col("age"))


def between_98_and_99():
    """exp(exp(sqrt(exp(sin(1))))) is 98.9 or so."""
    found = one()
    for function in ("sin", "exp", "sqrt", "exp", "exp"):
        found = call(function, found)
    return found


CONSTANTS = {
    "quotient": one(),
    "inverse": times(call("divide", 1, col("age")), col("age")),
    "by another column": call("divide", call("divide", times(col("age"), col("cost")), col("cost")), col("age")),
}
OF_CONSTANTS = {
    "a sign": lambda one: call("sign", call("subtract", col("age"), between_98_and_99())),
    "a wave": lambda one: call("sin", add(col("positive"), one)),
    "a whole part": lambda one: call("floor_divide", col("age"), one),
    "a distance": lambda one: times(col("positive"), call("absolute", call("subtract", col("age"), one))),
}


@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize("made", OF_CONSTANTS)
def test_a_constant_that_is_made_of_columns_makes_a_free_measure(room_of, constant, made):
    """sum(positive * sign(age - 98.9)) is sum(positive) less twice what the only patient of 99 has; and sums of
    positive + 1, + sin(1), + sqrt(2), … undo the rounding of both.
    """
    measure = OF_CONSTANTS[made](CONSTANTS[constant])
    assert form_of(measure, patients(world(room_of, True))).free


@pytest.mark.parametrize(
    "measure",
    [
        call("divide", col("cost"), call("power", col("age"), 2)),
        call("log", add(col("cost"), 1)),
        add(add(add(add(add(col("age"), col("cost")), col("positive")), col("age")), col("cost")), col("positive")),
        call("power", call("subtract", col("cost"), col("age")), 2),
        call("divide", call("subtract", col("cost"), col("age")), col("age")),
    ],
    ids=["index", "logarithm", "score of many items", "squared difference", "relative change"],
)
def test_what_analysts_make_of_columns_is_natural(room_of, measure):
    assert form_of(measure, patients(world(room_of, True))).natural
