"""Coverage: how much of what public notebooks call is answered, weighed by call sites, as a page of the manual.

    python -m tests.support.coverage

The frequency list counts the calls of 195 public notebooks and scripts on health records. Each call that can meet rows
has probes, the forms in which notebooks make it; its sites are divided evenly among them. A form counts as answered
only if it runs on handles and, where pandas gives something comparable, gives the same. A form that the room refuses in
words of its own, with what to write instead, is a refusal; everything else is missing, as is a call without probes.
"""

from __future__ import annotations

import ast
import contextlib
import csv
import io
import os
import re
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from msgspec import Struct
from pandas.testing import assert_frame_equal, assert_series_equal

from cleanroom_kernel.interpreter import (
    connection,
    hooks_pandas,
    hooks_scipy,
    hooks_seaborn,
    hooks_sklearn,
    hooks_statsmodels,
    plots,
)
from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.handles import Column, Frame, Handle
from cleanroom_kernel.plan.nodes import PlanError
from tests.support import probes
from tests.support.probes_learning import IMPORTS, LEARNING

ROOT = Path(__file__).parents[2]
FREQUENCIES = ROOT.parent / "shared" / "research" / "api-frequency.csv"
PAGE = ROOT / "docs" / "generated" / "coverage.md"

FAMILIES: dict[str, dict[str, tuple[str, ...]]] = {
    "pandas": probes.PANDAS,
    "NumPy": probes.NUMPY,
    "scikit-learn": LEARNING,
    "seaborn": probes.SEABORN,
    "Matplotlib": probes.MATPLOTLIB,
    "Statistics": probes.STATISTICS,
    "Python": probes.BUILTINS,
}
# Every name that begins so counts, probed or not; of Matplotlib and Python only the names that draw or read rows.
WHOLE = {
    "pandas": "pandas.", "NumPy": "numpy.", "scikit-learn": "sklearn", "seaborn": "seaborn.",
    "Statistics": ("scipy.stats.", "statsmodels."),
}  # fmt: skip

ANSWERED, REFUSED, MISSING = "answered", "refused", "missing"


FITTED_IN_THE_VAULT = ("statsmodels.api.Logit", "statsmodels.api.stats", "statsmodels.formula")


class Form(Struct, frozen=True):
    """What came of one form of a call. `words` are the refusal's own, or what went wrong."""

    code: str
    outcome: str
    words: str = ""


class Call(Struct, frozen=True):
    """One line of the frequency list and its forms."""

    name: str
    family: str
    sites: int
    forms: tuple[Form, ...]

    def share(self, outcome: str) -> float:
        if not self.forms:
            return float(outcome == MISSING)
        return sum(form.outcome == outcome for form in self.forms) / len(self.forms)


# -- running ----------------------------------------------------------------------------------------------------------
class Stage:
    """Two rooms and the tables behind them, in which forms run."""

    def __init__(self) -> None:
        from tests.unit.interpreter.learn_rooms import learning_world
        from tests.unit.interpreter.rooms import world

        hooks_sklearn.prepare()
        plots.install()
        hooks_seaborn.install()
        hooks_scipy.install()
        hooks_statsmodels.install()
        self._ward, self._clinic = world(), learning_world(300)
        self._names = _shared_names()

    def try_form(self, code: str, learning: bool) -> Form:
        world = self._clinic if learning else self._ward
        connection.use(world.room._connection)
        hooks_pandas.install(world.room)
        try:
            ours = self._run(code, world.room, learning)
        except (CleanRoomError, PlanError) as error:
            suggestion = getattr(error, "suggestion", "")
            if suggestion and "not available" not in str(error):
                return Form(code, REFUSED, str(error))
            return Form(code, MISSING, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the expert would have seen it
            return Form(code, MISSING, f"{type(error).__name__}: {error}".partition("\n")[0][:160])
        if learning:
            return Form(code, ANSWERED)
        return self._compared(code, ours, world)

    def _compared(self, code: str, ours: Any, world: Any) -> Form:
        """What pandas itself cannot do on a table, such as reading one that is no file, is not compared."""
        try:
            theirs = self._run(code, world.tables, False)
        except Exception:  # noqa: BLE001
            return Form(code, ANSWERED)
        if isinstance(theirs, Handle):
            return Form(code, ANSWERED)  # the room's own readers, which need no table to be given
        try:
            _agree(ours, theirs)
        except (AssertionError, CleanRoomError, PlanError) as different:
            return Form(code, MISSING, "differs from pandas: " + " ".join(str(different).split())[:120])
        return Form(code, ANSWERED)

    def _run(self, code: str, tables: Any, learning: bool) -> Any:
        names = {**self._names, "buffer": io.StringIO(), "binary": io.BytesIO()}
        if learning:
            df = tables["stays"].copy()
            names |= {"df": df, "X": df[["age", "los", "ill"]], "y": df["readmitted"]}
            names |= {"X_test": names["X"], "y_test": names["y"]}
            if "model" in code:
                names["model"] = names["LogisticRegression"](max_iter=500).fit(names["X"], names["y"])
        else:
            names |= {"df": tables["stays"].copy(), "who": tables["patients"].copy(), "wards": tables["wards"].copy()}
            names["ax"] = names["plt"].figure().gca()
        with _quietly():
            return _value(code, names)


def _value(code: str, names: dict[str, Any]) -> Any:
    """The value of the last expression; of a statement, the table that it changed."""
    tree = ast.parse(code)
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        exec(compile(ast.Module(tree.body[:-1], []), "form", "exec"), names)
        found = eval(compile(ast.Expression(last.value), "form", "eval"), names)
        return names["df"] if found is None and "inplace" in code else found
    exec(compile(tree, "form", "exec"), names)
    return names["df"]


def _shared_names() -> dict[str, Any]:
    mpl.use("Agg")
    import matplotlib.pyplot as plt
    import seaborn as sns
    import statsmodels.api as sm
    import statsmodels.formula.api as smf
    from IPython.display import display
    from scipy import stats
    from statsmodels.stats.outliers_influence import variance_inflation_factor as vif

    names = {"pd": pd, "np": np, "plt": plt, "sns": sns, "stats": stats, "sm": sm, "smf": smf, "vif": vif}
    with _quietly():
        exec(IMPORTS, names)
    return {**names, "display": display}


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    import matplotlib.pyplot as plt

    before = os.getcwd()
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        tempfile.TemporaryDirectory() as folder,
    ):
        warnings.simplefilter("ignore")
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)
            plt.close("all")


def _agree(ours: Any, theirs: Any) -> None:
    """Rows are compared by the number of values in each column, released values by themselves."""
    if isinstance(theirs, (pd.DataFrame, pd.Series)):
        theirs = _without_identifiers(theirs, ours)
    if isinstance(ours, Column):
        values = pd.Series(theirs if np.ndim(theirs) == 1 else np.ravel(theirs))
        assert int(ours.count()) == int(values.count()), "another number of values"
    elif isinstance(ours, Frame):
        assert isinstance(theirs, (pd.DataFrame, np.ndarray)), "a table"
        counts = pd.DataFrame(theirs).count()
        assert len(ours._columns) == len(counts), "other columns"
        assert ours.count().tolist() == counts.tolist(), "another number of values"
    elif isinstance(theirs, pd.DataFrame):
        if isinstance(theirs.columns, pd.RangeIndex) or not theirs.columns.is_unique:
            assert ours.shape == theirs.shape, "another shape"
        else:
            assert_frame_equal(ours, theirs, check_exact=False, rtol=1e-6, check_categorical=False)
    elif isinstance(theirs, pd.Series):
        assert_series_equal(ours, theirs, check_exact=False, rtol=1e-6, check_categorical=False)
    elif isinstance(theirs, (int, float, bool, np.number, np.bool_, str)):
        same = ours == theirs if isinstance(theirs, str) else np.isclose(float(ours), float(theirs), equal_nan=True)
        assert same, "another value"
    elif isinstance(theirs, (list, set, dict, tuple)) and all(isinstance(each, (str, int, float)) for each in theirs):
        assert any(isinstance(ours, kind) and isinstance(theirs, kind) for kind in (list, set, dict, tuple)), (
            "another kind"
        )
        assert len(ours) == len(theirs), "another length"
    elif isinstance(theirs, np.ndarray) and theirs.ndim and theirs.dtype.kind in "iuf" and theirs.size < 100:
        np.testing.assert_allclose(np.asarray(ours, dtype=float), theirs, rtol=1e-6)


def _without_identifiers(theirs: Any, ours: Any) -> Any:
    """No statistic but a count exists of identifiers and free text, so the room leaves them out of tables of these."""
    kept = list(ours._columns) if isinstance(ours, Frame) else [] if isinstance(ours, Column) else [*ours.index]
    kept += list(ours.columns) if isinstance(ours, pd.DataFrame) else []
    gone = [name for name in IDENTIFIERS if name not in kept]
    rows = theirs.drop(gone, errors="ignore") if theirs.index.nlevels == 1 else theirs
    return rows.drop(columns=gone, errors="ignore") if isinstance(rows, pd.DataFrame) else rows


IDENTIFIERS = ("pid", "stay", "note")


# -- the list ---------------------------------------------------------------------------------------------------------
def calls() -> list[Call]:
    """The frequency list's calls that can meet rows, in the order of their weight, tried."""
    never = {name for names in probes.NEVER.values() for name in names}
    stage, found = Stage(), []
    for name, sites in frequencies().items():
        family = _family(name)
        if family is None or name in never:
            continue
        forms = FAMILIES[family].get(name, ())
        learning = FAMILIES[family] is LEARNING
        tried = tuple(stage.try_form(code, learning or name.startswith(FITTED_IN_THE_VAULT)) for code in forms)
        found.append(Call(name, family, sites, tried))
    return sorted(found, key=lambda call: (-call.sites, call.name))


def frequencies() -> dict[str, int]:
    with FREQUENCIES.open(newline="") as stream:
        return {row["api"]: int(row["calls"]) for row in csv.DictReader(stream)}


def _family(name: str) -> str | None:
    for family, known in FAMILIES.items():
        if name in known or (family in WHOLE and name.startswith(WHOLE[family])):
            return family
    return None


def weighed(found: list[Call], outcome: str) -> float:
    """Share of the call sites."""
    sites = sum(call.sites for call in found)
    return sum(call.sites * call.share(outcome) for call in found) / sites if sites else 0.0


# -- the page ---------------------------------------------------------------------------------------------------------
INTRODUCTION = """# What of pandas, NumPy, scikit-learn and plots is answered

Written by `python -m tests.support.coverage`, which runs every form below on handles.

The weights are the call sites of 195 public notebooks and scripts on health records (MIMIC, eICU, Diabetes 130,
Synthea, OMOP). A call's sites are divided evenly among the forms that are tried; a call that both rows and released
tables have (`to_csv`, `tolist`, `T`) is tried on both. *Answered*: it runs on handles and, where pandas gives something
comparable, gives the same. *Refused*: the room says why and what to write instead. *Missing*: anything else, or no form
is tried.
"""


def page(found: list[Call]) -> str:
    lines = [INTRODUCTION, "| | call sites | answered | refused, with the reason | missing |", "|---|--:|--:|--:|--:|"]
    for family in FAMILIES:
        lines.append(_summary(family, [call for call in found if call.family == family]))
    lines.append(_summary("**all**", found))
    lines += ["", "## Refusals and their reasons", "", "| sites | form | reason |", "|--:|---|---|"]
    lines += _forms(found, REFUSED)
    lines += ["", "## Missing", "", "| sites | form | what happens |", "|--:|---|---|"]
    lines += _forms(found, MISSING)
    lines += ["", "## Calls", "", "| call | sites | answered | forms |", "|---|--:|--:|--:|"]
    lines += [
        f"| {_code(call.name)} | {call.sites} | {_percent(call.share(ANSWERED))} | {len(call.forms)} |"
        for call in found
    ]
    lines += ["", "## Not counted", ""]
    known = frequencies()
    for reason, names in probes.NEVER.items():
        counted = ", ".join(f"{_code(name)} ({known[name]})" for name in names if name in known)
        lines.append(f"- Because {reason}: {counted}.")
    return "\n".join(lines) + "\n"


def _summary(title: str, found: list[Call]) -> str:
    shares = " | ".join(_percent(weighed(found, outcome)) for outcome in (ANSWERED, REFUSED, MISSING))
    return f"| {title} | {sum(call.sites for call in found)} | {shares} |"


def _forms(found: list[Call], outcome: str) -> list[str]:
    rows = [
        (call.sites / len(call.forms), form.code, form.words)
        for call in found
        for form in call.forms
        if form.outcome == outcome
    ]
    if outcome == MISSING:
        rows += [(call.sites, call.name, "not tried") for call in found if not call.forms]
    return [f"| {sites:.0f} | {_code(code)} | {_words(words)} |" for sites, code, words in sorted(rows, reverse=True)]


def _code(text: str) -> str:
    return f"`{text}`".replace("|", "\\|")


def _words(text: str) -> str:
    """What is said, without what differs from run to run."""
    return re.sub(r"0x[0-9a-f]+", "0x…", text).replace("|", "\\|").replace("\n", " ")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


if __name__ == "__main__":
    PAGE.write_text(page(calls()))
    print(PAGE.read_text().partition("## Refusals")[0])
