"""Job results: what a job's process said, held to what was declared, as a result that might leave.

The process is hostile. Promise: an extra name, a row or a number too many, another type, text that is too long: each is
no result at all. Files are written anew from arrays, so that nothing is in them but names, shapes and numbers.
"""

from __future__ import annotations

import hashlib
import math
import re

import numpy as np
from numpy.typing import NDArray

from cleanroom_kernel.disclosure.policy import PolicySnapshot
from cleanroom_kernel.disclosure.precision import to_count, to_digits
from cleanroom_kernel.protocol.jobs import LONGEST_CELL, Cell, Found, Job, Produced, Rows, Tensors
from cleanroom_kernel.protocol.release import Artifact, Grid, Label, NamedGrid, Number, Results

_LARGEST = 2**53  # of an integer: a float holds every one up to it, and no text is hidden in more digits
_TENSOR = re.compile(r"[A-Za-z0-9_.]{1,100}")
_MOST_TENSORS = 2_000
_MOST_AXES = 8
_DTYPES = frozenset({"float16", "float32", "float64", "int64", "int32", "int16", "int8", "uint8", "bool"})


class Unfit(ValueError):
    """What the job gave is not what was declared. Words for the owner's log, without a value."""


def results_of(job: Job, produced: Produced, policy: PolicySnapshot) -> Results:
    """As it would leave: numbers with the policy's digits, counts with its base. Raises Unfit."""
    tables = [one for one in job.results if isinstance(one, Rows)]
    tensors = [one for one in job.results if isinstance(one, Tensors)]
    for found, declared in ((produced.scalars, job.scalars), (produced.tables, tables), (produced.tensors, tensors)):
        if set(found) != {one.name for one in declared}:
            raise Unfit("other names than declared")
    return Results(
        scalars=tuple((one.name, _number(produced.scalars[one.name], one.of, policy)) for one in job.scalars),
        tables=tuple(NamedGrid(one.name, _grid(one, produced.tables[one.name], policy)) for one in tables),
        files=tuple(_file(one, produced.tensors[one.name], policy) for one in tensors),
    )


# -- numbers and tables -----------------------------------------------------------------------------------------------
def _number(value: Found, of: Cell, policy: PolicySnapshot) -> Number:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise Unfit("no number where one is declared")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if abs(value) > _LARGEST and isinstance(value, int):
        raise Unfit("an integer beyond what a number holds")
    if of is Cell.COUNT:
        if not isinstance(value, int) or value < 0:
            raise Unfit("no count where one is declared")
        return to_count(value, policy.count_base)
    shown = to_digits(float(value), policy.significant_digits)
    return int(shown) if isinstance(value, int) else shown


def _grid(one: Rows, columns: tuple[tuple[Found, ...], ...], policy: PolicySnapshot) -> Grid:
    if len(columns) != len(one.columns) or len({len(column) for column in columns}) != 1:
        raise Unfit("a table of another shape than declared")
    height = len(columns[0])
    if height > one.rows:
        raise Unfit("more rows than declared")
    pairs = list(zip(one.columns, columns, strict=True))
    labels = [
        (column.name, [_label(value, column.of) for value in values])
        for column, values in pairs
        if _is_label(column.of)
    ]
    numbers = [
        (column.name, tuple(_number(value, column.of, policy) for value in values))
        for column, values in pairs
        if not _is_label(column.of)
    ]
    return Grid(
        keys=tuple(name for name, _ in labels),
        rows=tuple(tuple(values[row] for _, values in labels) for row in range(height)),
        columns=tuple(name for name, _ in numbers),
        values=tuple(values for _, values in numbers),
        suppressed=tuple((False,) * height for _ in numbers),
    )


def _is_label(of: Cell) -> bool:
    return of in (Cell.TEXT, Cell.FLAG)


def _label(value: Found, of: Cell) -> Label:
    if value is None:
        return None
    if not isinstance(value, str if of is Cell.TEXT else bool):
        raise Unfit("a cell of another type than declared")
    if isinstance(value, str) and len(value) > LONGEST_CELL:
        raise Unfit("a text that is too long")
    return value


# -- tensors ----------------------------------------------------------------------------------------------------------
def _file(one: Tensors, content: bytes, policy: PolicySnapshot) -> Artifact:
    import safetensors
    import safetensors.numpy  # an optional extra: without it no job with tensors is taken

    try:
        arrays = safetensors.numpy.load(content)
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, AttributeError):
        raise Unfit("no safetensors where some are declared") from None
    if len(arrays) > _MOST_TENSORS or sum(array.size for array in arrays.values()) > one.numbers:
        raise Unfit("more numbers than declared")
    rounded = {name: _rounded(name, arrays[name], policy.parameter_digits) for name in sorted(arrays)}
    body = safetensors.numpy.save(rounded)
    return Artifact(f"{one.name}.safetensors", hashlib.sha256(body).hexdigest(), body, (), _report(rounded))


def _rounded(name: str, values: NDArray[np.generic], digits: int) -> NDArray[np.generic]:
    if not _TENSOR.fullmatch(name) or values.ndim > _MOST_AXES or values.dtype.name not in _DTYPES:
        raise Unfit("a tensor of a name, a shape or a type that is not taken")
    if values.dtype.kind != "f":
        return values
    exact = values.astype(np.float64)
    with np.errstate(all="ignore"):
        exponents = np.floor(np.log10(np.abs(exact)))
        scale = 10.0 ** (digits - 1 - exponents)
        shown = np.where(np.isfinite(scale), np.round(exact * scale) / scale, 0.0)
    return np.where(np.isfinite(exact), shown, np.nan).astype(values.dtype)


def _report(arrays: dict[str, NDArray[np.generic]]) -> str:
    """What a checker sees of numbers that nobody reads one by one."""
    lines = ["| tensor | type | shape | least | mean | largest |", "|---|---|---|---|---|---|"]
    for name, values in arrays.items():
        shape = " x ".join(map(str, values.shape)) or "one number"
        known = values[np.isfinite(values)].astype(np.float64)
        facts = [f"{fact:.4g}" for fact in (known.min(), known.mean(), known.max())] if known.size else ["none"] * 3
        lines.append(f"| {name} | {values.dtype.name} | {shape} | {' | '.join(facts)} |")
    return "\n".join(lines)
