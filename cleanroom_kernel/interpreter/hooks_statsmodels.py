"""Hooks of statsmodels: its names take rows of the room, once an expert has imported it.

Promise: whoever does not import statsmodels loads nothing for it.
"""

from __future__ import annotations

from types import ModuleType

from cleanroom_kernel.interpreter.lazily import when_imported


def install() -> None:
    when_imported("statsmodels.formula.api", _formulas)
    when_imported("statsmodels.api", _columns)
    when_imported("statsmodels.tools.tools", _tools)


def _formulas(module: ModuleType) -> None:
    from cleanroom_kernel.interpreter.regression_calls import wrap_formulas

    wrap_formulas(module)


def _columns(module: ModuleType) -> None:
    from cleanroom_kernel.interpreter.regression_calls import wrap_columns

    wrap_columns(module)


def _tools(module: ModuleType) -> None:
    from cleanroom_kernel.interpreter.regression_calls import wrap_tools

    wrap_tools(module)
