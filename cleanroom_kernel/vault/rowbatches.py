"""Batches: columns on their way to a row-function worker, and its answers on their way back.

Promise: what a worker wrote is taken for hostile: it becomes values of the promised type, no more than there are rows,
or `Unreadable`. Nothing of it is ever run, or read as anything but numbers and UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.rowfunctions.layout import (
    LONGEST_TEXT,
    MISSING_FLAG,
    Block,
    Call,
    Given,
    given_blocks,
    result_blocks,
)

Buffers = tuple[NDArray[np.uint8], ...]


class Unreadable(ValueError):
    """A worker's answers are not what it was asked for."""


# -- to a worker ------------------------------------------------------------------------------------------------------
def packed(column: pl.Series, dtype: DType) -> tuple[Given, Buffers]:
    """A column's description, and its marks, values, ends of texts and letters as bytes."""
    if dtype is DType.FLOAT:
        return Given("float"), _buffers(column.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    marks = column.is_null().to_numpy() if column.null_count() else np.empty(0, dtype=bool)
    given = Given(dtype.value, nulls=bool(len(marks)))
    if dtype is DType.STRING:
        return _texts(column, given, marks)
    stored = pl.UInt8 if dtype is DType.BOOLEAN else pl.Int64
    return given, _buffers(column.cast(stored).fill_null(0).to_numpy(), marks)


def _texts(column: pl.Series, given: Given, marks: NDArray[np.bool_]) -> tuple[Given, Buffers]:
    """Each different text once, and for every row which it is."""
    texts = column.cast(pl.String).drop_nulls().unique()
    codes = np.zeros(len(column), dtype=np.int32)
    if len(texts):
        places = pl.Series(range(len(texts)), dtype=pl.Int32)
        codes = column.cast(pl.String).replace_strict(texts, places, default=0, return_dtype=pl.Int32).to_numpy()
    letters = "".join(texts.to_list()).encode()
    ends = np.concatenate([[0], np.cumsum(texts.str.len_bytes().to_numpy())]).astype(np.int64)
    given = given._replace(texts=len(texts), bytes=len(letters))
    return given, _buffers(codes, marks, ends, np.frombuffer(letters, dtype=np.uint8))


_NOTHING = np.empty(0, dtype=np.uint8)


def _buffers(values: NDArray[Any], marks: NDArray[Any] = _NOTHING, *texts: NDArray[Any]) -> Buffers:
    parts = (marks.astype(np.uint8), values, *(texts or (_NOTHING, _NOTHING)))
    return tuple(np.ascontiguousarray(part).view(np.uint8) for part in parts)


def laid_out(call: Call, columns: Sequence[Buffers]) -> Iterator[tuple[int, memoryview]]:
    """Where the bytes of a call's columns go."""
    for blocks, buffers in zip(given_blocks(call), columns, strict=True):
        for block, buffer in zip(blocks, buffers, strict=True):
            assert block.size == len(buffer)
            if block.size:
                yield block.start, memoryview(buffer)


# -- from a worker ----------------------------------------------------------------------------------------------------
def unpacked(call: Call, memory: bytes) -> pl.Series:
    """The answers, in the order in which the rows were given. Raises Unreadable."""
    values, marks, lengths, letters = (_part(memory, block) for block in result_blocks(call))
    if call.result == "float":
        return pl.Series(values.view(np.float64)).fill_nan(None)
    if call.result == "integer":
        return _without(pl.Series(values.view(np.int64)), marks != 0)
    if call.result == "boolean":
        return _without(pl.Series(values == 1), values == MISSING_FLAG)
    codes = values.view(np.int32)
    texts = pl.Series(_read(lengths.view(np.int32), letters, int(codes.max(initial=-1)) + 1), dtype=pl.String)
    if len(codes) and codes.min() < -1:
        raise Unreadable
    if not len(texts):
        return pl.Series([None] * call.rows, dtype=pl.String)
    return _without(texts.gather(np.maximum(codes, 0)), codes < 0)


def _part(memory: bytes, block: Block) -> NDArray[np.uint8]:
    return np.frombuffer(memory, dtype=np.uint8, count=block.size, offset=block.start)


def _without(values: pl.Series, missing: NDArray[np.bool_]) -> pl.Series:
    if not missing.any():
        return values
    return pl.select(pl.when(pl.Series(~missing)).then(values)).to_series()


def _read(lengths: NDArray[np.int32], letters: NDArray[np.uint8], number: int) -> Iterable[str]:
    if number > len(lengths) or (number and not 0 <= lengths[:number].min() <= lengths[:number].max() <= LONGEST_TEXT):
        raise Unreadable
    body = letters.tobytes()
    starts = range(0, number * LONGEST_TEXT, LONGEST_TEXT)
    try:
        return [body[start : start + int(length)].decode() for start, length in zip(starts, lengths, strict=False)]
    except UnicodeDecodeError:
        raise Unreadable from None
