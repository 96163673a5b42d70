"""Rows on their way to a worker and back: values keep what they are, and hostile answers become values or nothing."""

import datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.rowfunctions.calling import NoResult, columns, run
from cleanroom_kernel.rowfunctions.language import made
from cleanroom_kernel.rowfunctions.layout import Call, given_size, result_blocks, result_size
from cleanroom_kernel.vault.rowbatches import Unreadable, laid_out, packed, unpacked
from cleanroom_kernel.vault.values import POLARS

INTEGERS = st.integers(-(2**63), 2**63 - 1)
VALUES = {
    DType.INTEGER: INTEGERS,
    DType.FLOAT: st.floats(allow_nan=False),
    DType.BOOLEAN: st.booleans(),
    DType.STRING: st.text(st.characters(codec="utf-8"), max_size=8),
    DType.DATETIME: st.datetimes(datetime.datetime(1800, 1, 1), datetime.datetime(2200, 1, 1)),
    DType.DURATION: st.timedeltas(datetime.timedelta(days=-9_999), datetime.timedelta(days=9_999)),
}


def called(source, dtype, values, result):
    """`source` over a column, through memory as a worker has it."""
    column = pl.Series(values, dtype=POLARS[dtype])
    given, buffers = packed(column, dtype)
    call = Call(source, len(column), (given,), (), result.value, False, 0, 0.0)
    assert Call.decoded(call.encoded()) == call
    memory, room = bytearray(given_size(call)), bytearray(result_size(call))
    for start, part in laid_out(call, [buffers]):
        memory[start : start + len(part)] = part
    assert len(columns(call, memoryview(memory))[0]) == len(column)
    run(call, made(source), memoryview(memory), memoryview(room))
    return unpacked(call, bytes(room))


@settings(max_examples=30, deadline=None)
@given(st.data(), st.sampled_from([DType.INTEGER, DType.FLOAT, DType.BOOLEAN, DType.STRING]))
def test_what_comes_back_is_what_went_in(data, dtype):
    values = data.draw(st.lists(st.none() | VALUES[dtype], min_size=1, max_size=12))
    found = called("answer = lambda x: x", dtype, values, dtype)
    assert found.dtype == POLARS[dtype]
    assert found.to_list() == values


@settings(max_examples=20, deadline=None)
@given(st.lists(st.none() | VALUES[DType.DATETIME], min_size=1, max_size=8))
def test_dates_are_pythons_own_to_the_microsecond(values):
    source = "answer = lambda day: None if day is None else day.isoformat()"
    expected = [None if value is None else value.isoformat() for value in values]
    assert called(source, DType.DATETIME, values, DType.STRING).to_list() == expected


def test_lengths_of_time_are_pythons_own():
    values = [datetime.timedelta(days=1, microseconds=5), None]
    found = called("answer = lambda d: None if d is None else d.total_seconds()", DType.DURATION, values, DType.FLOAT)
    assert found.to_list() == [86_400.000005, None]


@pytest.mark.parametrize(
    ("source", "result"),
    [("lambda x: 'a'", DType.FLOAT), ("lambda x: 1.5", DType.INTEGER), ("lambda x: 2 ** 63", DType.INTEGER),
     ("lambda x: 1", DType.BOOLEAN), ("lambda x: 1", DType.STRING), ("lambda x: (x,)", DType.FLOAT)],
)  # fmt: skip
def test_an_answer_of_another_type_ends_the_run(source, result):
    with pytest.raises(NoResult):
        called(f"answer = {source}", DType.FLOAT, [1.0], result)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["integer", "float", "boolean", "string"]), st.integers(1, 20), st.binary(max_size=400))
def test_what_a_hostile_worker_writes_is_values_or_nothing(result, rows, written):
    call = Call("", rows, (), (), result, False, 0, 0.0)
    room = bytearray(result_size(call))
    room[: min(len(written), len(room))] = written[: len(room)]
    try:
        found = unpacked(call, bytes(room))
    except Unreadable:
        assert result == "string"
        return
    assert len(found) == rows
    assert found.dtype == POLARS[DType(result)]


def test_texts_beyond_the_room_for_them_are_unreadable():
    call = Call("", 2, (), (), "string", False, 0, 0.0)
    codes, _, lengths, _ = result_blocks(call)
    for code, length in ((5, 0), (1, 10_000), (1, -1), (-7, 0)):
        room = bytearray(result_size(call))
        room[codes.slice] = np.array([code, code], dtype=np.int32).tobytes()
        room[lengths.slice] = np.array([length, length], dtype=np.int32).tobytes()
        with pytest.raises(Unreadable):
            unpacked(call, bytes(room))
