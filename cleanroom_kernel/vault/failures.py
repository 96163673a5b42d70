"""Failures: every error that the data may have caused."""

from __future__ import annotations

import polars as pl

# Polars' panics are no Exceptions.
FAILURES = (Exception, pl.exceptions.PanicException)
