"""Display: how handles and released results look in a notebook, as HTML and as text.

A handle shows rows of its twin, marked as synthetic, so nothing is asked of the vault to show it. A released result
with suppressed cells shows "<k" in them, and one quiet line under it names the rule.
"""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any

import pandas as pd

from cleanroom_kernel.interpreter.connection import current
from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.handles import Column, Frame, RowSet, method
from cleanroom_kernel.interpreter.results import Provenance, provenance_of
from cleanroom_kernel.plan.nodes import postorder
from cleanroom_kernel.plan.relations import Table, Take

ROWS = 5
MOST_ROWS = 30
MARKED_LIMIT = 2_000  # results longer than this are shown by pandas as they are

NOTE_STYLE = "color: var(--jp-ui-font-color2, #777); font-size: 85%;"


# -- handles ----------------------------------------------------------------------------------------------------------
def _sample(handle: Any) -> Any:
    rows = handle._rows
    wanted = min(abs(rows.n), MOST_ROWS) if isinstance(rows, Take) else ROWS
    return handle._twin.head(wanted)


def _caption(handle: Any) -> str:
    tables = [node.schema for node in postorder(handle._rows) if isinstance(node, Table)]
    bands = current().welcome.units
    unit = current().welcome.schema.unit_name
    sources = [f"{table.name} ({bands[table.name]} {unit}s)" if table.name in bands else table.name for table in tables]
    kind = f"{len(handle._columns)} columns" if isinstance(handle, Frame) else f"dtype {handle._twin.dtype}"
    return f"Synthetic rows. The rows of {', '.join(sources)} stay in the room; {kind}."


def _text(handle: Any) -> str:
    return f"{_sample(handle)}\n{_caption(handle)}"


@method(Frame, Column, name="__repr__")
def text_of_rows(self: Any) -> str:
    return _text(self)


@method(Frame, name="_repr_html_")
def html_of_rows(self: Frame) -> str:
    return _sample(self)._repr_html_() + _note(_caption(self))


@method(RowSet, name="__repr__")
def text_of_index(self: RowSet) -> str:
    return "<index of rows that stay in the room>" if self._index else "<rows that stay in the room>"


def _note(text: str) -> str:
    return f'<div style="{NOTE_STYLE}">{html.escape(text)}</div>'


# -- released results -------------------------------------------------------------------------------------------------
def result_html(result: pd.DataFrame) -> str | None:
    known = provenance_of(result)
    return (marked(result, known)._repr_html_() or "") + "".join(map(_note, notes(known)))


def result_text(result: pd.DataFrame | pd.Series) -> str:
    known = provenance_of(result)
    return "\n".join([repr(marked(result, known)), *notes(known)])


def marked(result: Any, known: Provenance) -> Any:
    """A copy in which the cells that show no number say so."""
    if not known.marks or len(result) > MARKED_LIMIT or not result.index.is_unique:
        return result
    table = result.to_frame() if isinstance(result, pd.Series) else result
    if not table.columns.is_unique:
        return result
    shown = table.copy()
    for position, name in enumerate(table.columns):
        key = None if isinstance(result, pd.Series) else name
        signs = [known.marks.get((row, key), "") for row in table.index]
        hidden = [bool(sign) and missing for sign, missing in zip(signs, table.iloc[:, position].isna(), strict=True)]
        if any(hidden):
            texts = _formatted(table.iloc[:, position])
            column = [sign if hide else text for sign, hide, text in zip(signs, hidden, texts, strict=True)]
            shown.isetitem(position, pd.Series(column, index=table.index, dtype=object))
    return shown.iloc[:, 0].rename(result.name) if isinstance(result, pd.Series) else shown


def _formatted(column: pd.Series) -> list[str]:
    """Each value as pandas would print it in this column; whole numbers, which gaps have made floats, as whole."""
    present = column.dropna()
    if len(present) and pd.api.types.is_float_dtype(column) and (present == present.round()).all():
        return ["NaN" if pd.isna(value) else f"{value:.0f}" for value in column]
    lines = column.to_string(index=False, header=False).split("\n")
    return [line.strip() for line in lines]


def notes(known: Provenance) -> list[str]:
    """One quiet line on what is not shown; none where everything is."""
    suppressed = sum(receipt.suppressed for receipt in known.receipts)
    if not suppressed:
        return []
    cells = "1 cell is" if suppressed == 1 else f"{suppressed} cells are"
    why = "too few patients, or it would give away another cell"
    return [f"{cells} not shown by the room's policy: {why}. The receipt names the rules: room.receipts[-1]."]


def install(shell: Any) -> None:
    """Register the formatters, and the card for our own errors, with IPython."""
    formatters = shell.display_formatter.formatters
    formatters["text/html"].for_type(pd.DataFrame, result_html)
    formatters["text/plain"].for_type(pd.DataFrame, _printing(result_text))
    formatters["text/plain"].for_type(pd.Series, _printing(result_text))


def _printing(text: Callable[[Any], str]) -> Callable[[Any, Any, bool], None]:
    return lambda result, printer, cycle: printer.text(text(result))


# -- errors -----------------------------------------------------------------------------------------------------------
def card(error: CleanRoomError, line: str) -> list[str]:
    """Our own errors in a few lines: which rule, what happened, where, what to write instead.

    Bold is all there is of style: an error stands on red, pale or dark by the theme, on which no colour reads in both.
    """
    bold, plain = "\x1b[1m", "\x1b[0m"
    title = f"{error.kind}: {error.rule}" if error.rule else error.kind
    lines = [f"{bold}{title}{plain}", error.message]
    if line:
        lines.append(f"    {line}")
    if error.suggestion:
        lines.append(f"{bold}→{plain} {error.suggestion}")
    return lines
