"""Display: how handles and released results look in a notebook, as HTML and as text.

A handle shows rows of its twin, marked as synthetic, so nothing is asked of the vault to show it. A released result
with suppressed cells shows "<k" in them, hatched, with the rules that can have spoken on hover and for screen readers;
one quiet line under it says how many they are. The text is the same with and without the hatching, so nothing moves.
"""

from __future__ import annotations

import html
import re
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
# A grey that shows on light and dark grounds, and under the text of either.
HATCHED = "background-image: repeating-linear-gradient(135deg, transparent 0 4px, rgba(128, 128, 128, 0.35) 4px 5px);"
PRE_STYLE = "margin: 0; padding: 0; border: 0; background: none;"

_OPEN, _CLOSE = "\ue000", "\ue001"  # around a sign in what pandas prints, until it is marked; of no width of their own
_SIGN = re.compile(f"{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}")
_CELL = re.compile(f"<td>{_OPEN}([^{_OPEN}{_CLOSE}]*){_CLOSE}</td>")
_HIDING = ("C1", "C2", "C3", "C4", "C5", "C6", "C13")  # rules by which a single cell is suppressed


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
    table = marked(result, known, bracketed)._repr_html_() or ""
    return _CELL.sub(lambda found: f"<td {_hatching(known)}>{_spoken(found[1])}</td>", table) + _below(known)


def series_html(result: pd.Series) -> str | None:
    """pandas' own text with the suppressed values hatched; nothing for a Series without any, which is text alone."""
    known = provenance_of(result)
    if not known.marks:
        return None
    shown = marked(result, known, bracketed)
    if shown is result:
        return None
    text = html.escape(repr(shown))  # values stand at the right: what the brackets took of a line is given back
    body = _SIGN.sub(lambda found: f"  <span {_hatching(known)}>{_spoken(found[1])}</span>", text)
    return f'<pre style="{PRE_STYLE}">{body}</pre>{_below(known)}'


def bracketed(sign: str) -> str:
    return f"{_OPEN}{sign}{_CLOSE}"


def _hatching(known: Provenance) -> str:
    return f'class="crk-Suppressed" style="{HATCHED}" title="{html.escape(why_hidden(known))}"'


def _spoken(sign: str) -> str:
    """`sign` is escaped already. A screen reader says why, where the eye sees the sign."""
    return f'<span role="img" aria-label="not shown: {html.escape(SPOKEN)}">{sign}</span>'


SPOKEN = "too few patients, or it would give away another cell"


def why_hidden(known: Provenance) -> str:
    """Which rules can have hidden a cell. Which of them did is not told, to anybody but the owner."""
    names = dict.fromkeys(rule.partition(":")[0] for receipt in known.receipts for rule in receipt.rules)
    hiding = [name for name in names if name.rstrip("abc") in _HIDING]
    by = f" One of these rules spoke: {', '.join(hiding)}; which one is not told." if hiding else ""
    return f"Not shown: {SPOKEN}.{by}"


def _below(known: Provenance) -> str:
    return "".join(map(_note, notes(known)))


def result_text(result: pd.DataFrame | pd.Series) -> str:
    known = provenance_of(result)
    return "\n".join([repr(marked(result, known)), *notes(known)])


def marked(result: Any, known: Provenance, sign_as: Callable[[str], str] = str) -> Any:
    """A copy in which the cells that show no number say so; the same object where there is none."""
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
            column = [sign_as(sign) if hide else text for sign, hide, text in zip(signs, hidden, texts, strict=True)]
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
    return [f"{cells} not shown by the room's policy: {SPOKEN}. The receipt names the rules: room.receipts[-1]."]


def install(shell: Any) -> None:
    """Register the formatters, and the card for our own errors, with IPython."""
    formatters = shell.display_formatter.formatters
    formatters["text/html"].for_type(pd.DataFrame, result_html)
    formatters["text/html"].for_type(pd.Series, series_html)
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
