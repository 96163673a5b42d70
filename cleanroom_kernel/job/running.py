"""Running: the code of a job, and what it left in `result` as the values that may cross a border.

The same lines run it beside the rows and, before anybody is asked, on synthetic rows in the expert's notebook. Nothing
here protects anything: what a job gives back is checked where it arrives.
"""

from __future__ import annotations

import builtins
import importlib.abc
import traceback
import types
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.protocol.jobs import Broke, Cell, Declared, Found, Job, Produced, Rows, Scalar, Tensors

FILE = "<job>"  # what the code is called in tracebacks


class NotDeclared(ValueError):
    """The code left something else in `result` than it declared."""


class _Source(importlib.abc.InspectLoader):
    def __init__(self, source: str) -> None:
        self._source = source

    def get_source(self, fullname: str) -> str:
        return self._source

    def get_code(self, fullname: str) -> types.CodeType:
        return compile(self._source, FILE, "exec")


def run(job: Job, inputs: Mapping[str, pd.DataFrame]) -> Produced:
    """Raises what the code raises, SyntaxError and NotDeclared among it."""
    module = types.ModuleType("job")
    module.__dict__["inputs"] = dict(inputs)
    _Source(job.source).exec_module(module)
    if not isinstance(getattr(module, "result", None), dict):
        raise NotDeclared("The code leaves no dict in `result`.")
    return produced(job.results, module.__dict__["result"])


def broken(error: BaseException) -> Broke:
    """The class of an error, if it is one of Python's own, and the last line of the job's code that it came through."""
    name = type(error).__name__
    known = getattr(builtins, name, None) is type(error) or isinstance(error, NotDeclared)
    if isinstance(error, SyntaxError) and error.filename == FILE:
        return Broke(name, error.lineno or 0)
    lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    return Broke(name if known else "an error of a library", lines[-1] if lines else 0)


def produced(declared: tuple[Declared, ...], result: Mapping[str, Any]) -> Produced:
    names = [one.name for one in declared]
    if set(result) != set(names):
        raise NotDeclared(f"`result` has {sorted(map(str, result))}, and {sorted(names)} is declared.")
    found = Produced({}, {}, {})
    for one in declared:
        _TAKEN[type(one)](one, result[one.name], found)
    return found


def _scalar(one: Scalar, value: Any, found: Produced) -> None:
    found.scalars[one.name] = _cell(value, one.of, one.name)


def _rows(one: Rows, value: Any, found: Produced) -> None:
    table = value.reset_index(drop=True) if isinstance(value, pd.DataFrame) else pd.DataFrame(value)
    names = [column.name for column in one.columns]
    if list(table.columns) != names:
        raise NotDeclared(f"{one.name} has the columns {list(table.columns)}, and {names} is declared.")
    if len(table) > one.rows:
        raise NotDeclared(f"{one.name} has {len(table)} rows, and at most {one.rows} is declared.")
    found.tables[one.name] = tuple(
        tuple(_cell(value, column.of, column.name) for value in table[column.name].tolist()) for column in one.columns
    )


def _cell(value: Any, of: Cell, name: str) -> Found:
    if isinstance(value, (np.generic, np.ndarray)) and np.ndim(value) == 0:
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if of is Cell.COUNT and isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) is not (of is Cell.FLAG) or not isinstance(value, _KINDS[of]):
        raise NotDeclared(f"{name} is declared as a {of.value}.")
    kept: Found = value
    return kept


_KINDS: dict[Cell, tuple[type, ...]] = {
    Cell.COUNT: (int,), Cell.NUMBER: (int, float), Cell.TEXT: (str,), Cell.FLAG: (bool,),
}  # fmt: skip


def _tensors(one: Tensors, value: Any, found: Produced) -> None:
    """Arrays, or what has a `numpy` method as PyTorch's tensors have."""
    import safetensors.numpy  # an optional extra

    if not isinstance(value, dict):
        raise NotDeclared(f"{one.name} is a dict of arrays.")
    arrays = {str(name): np.ascontiguousarray(_array(of)) for name, of in value.items()}
    if sum(array.size for array in arrays.values()) > one.numbers:
        raise NotDeclared(f"{one.name} has more than the {one.numbers:,} numbers that are declared.")
    found.tensors[one.name] = safetensors.numpy.save(arrays)


def _array(value: Any) -> Any:
    for step in ("detach", "cpu", "numpy"):
        value = getattr(value, step)() if hasattr(value, step) else value
    return np.asarray(value)


_TAKEN: dict[type, Callable[[Any, Any, Produced], None]] = {Scalar: _scalar, Rows: _rows, Tensors: _tensors}
