"""Failures: what may be said of an error that the data may have caused.

Promise: its class and the lines of our own code, for the owner's log. Its message may quote a value: it goes nowhere.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import polars as pl

# Polars' panics are no Exceptions.
FAILURES = (Exception, pl.exceptions.PanicException)

_PACKAGE = Path(__file__).parents[1]
_MOST_PLACES = 12


def described(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    places = [
        f"{Path(frame.filename).relative_to(_PACKAGE)}:{frame.lineno}"
        for frame in reversed(frames)
        if Path(frame.filename).is_relative_to(_PACKAGE)
    ]
    return f"{type(error).__name__} at {' < '.join(places[:_MOST_PLACES])}"
