"""The summary of a regression, in statsmodels' own layout, from released numbers alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from statsmodels.iolib.summary import Summary
from statsmodels.iolib.table import SimpleTable
from statsmodels.iolib.tableformatting import fmt_2, fmt_params

_LEFT: list[tuple[str, Callable[[Any], Any]]] = [
    ("Dep. Variable:", lambda of: of.model.target.name or "y"),
    ("Model:", lambda of: of.model.title),
    ("Method:", lambda of: of.model.kind.response),
    ("No. Observations:", lambda of: f"{of.nobs:,.0f} (rounded)"),
    ("Df Residuals:", lambda of: f"{of.df_resid:,.0f}"),
    ("Df Model:", lambda of: f"{of.df_model:.0f}"),
    ("Covariance Type:", lambda of: of.cov_type),
]
_RIGHT: list[tuple[str, str]] = [
    ("R-squared:", "rsquared"),
    ("Adj. R-squared:", "rsquared_adj"),
    ("F-statistic:", "fvalue"),
    ("Prob (F-statistic):", "f_pvalue"),
    ("Pseudo R-squ.:", "prsquared"),
    ("Log-Likelihood:", "llf"),
    ("LL-Null:", "llnull"),
    ("LLR p-value:", "llr_pvalue"),
    ("Scale:", "scale"),
    ("Deviance:", "deviance"),
    ("Pearson chi2:", "pearson_chi2"),
    ("AIC:", "aic"),
    ("BIC:", "bic"),
]


def summary(of: Any, alpha: float) -> Summary:
    left = [(label, str(value(of))) for label, value in _LEFT]
    known = set(dir(of))
    right = [(label, f"{getattr(of, name):.4g}") for label, name in _RIGHT if name in known]
    longest = max(len(left), len(right))
    rows = [
        [*one, *other] for one, other in zip(_padded(left, longest), _padded(right, longest), strict=True)
    ]  # fmt: skip
    made = Summary()
    made.tables.append(SimpleTable(rows, title=f"{of.model.title} Regression Results", txt_fmt=fmt_2))
    made.tables.append(_coefficients(of, alpha))
    made.add_extra_txt(_notes(of))
    return made


def _padded(rows: list[tuple[str, str]], longest: int) -> list[tuple[str, str]]:
    return [*rows, *[("", "")] * (longest - len(rows))]


def _coefficients(of: Any, alpha: float) -> SimpleTable:
    letter = "t" if of.use_t else "z"
    header = ["coef", "std err", letter, f"P>|{letter}|", f"[{alpha / 2:.3f}", f"{1 - alpha / 2:.3f}]"]
    between = of.conf_int(alpha)
    columns = [of.params, of.bse, of.tvalues, of.pvalues, between[0], between[1]]
    forms = ["{:.4f}", "{:.3f}", "{:.3f}", "{:.3f}", "{:.3f}", "{:.3f}"]
    rows = zip(*columns, strict=True)
    cells = [
        ["–" if np.isnan(value) else form.format(value) for value, form in zip(row, forms, strict=True)] for row in rows
    ]
    return SimpleTable(cells, header, list(of.model.names), txt_fmt=fmt_params)


def _notes(of: Any) -> list[str]:
    notes = ["Fitted in the vault. Every number here was released, or follows from released ones."]
    hidden = int(of.params.isna().sum())
    if hidden:
        notes.append(f"{hidden} of {len(of.params)} coefficients are hidden: too few patients would decide them.")
        notes.append(
            "So are all standard errors, for they would tell of these. Leave them out, or group rare categories."
        )
    if of.cov_type == "nonrobust":
        notes.append("Standard errors take rows to be independent, which rows of one patient are not.")
    return notes
