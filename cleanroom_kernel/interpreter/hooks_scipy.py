"""scipy.stats on columns of rows: tests that means, deviations, numbers and correlations decide, from released ones.

Promise: each sample is one question. Missing values are left out. Tests that need the order of all rows (ranks,
empirical distributions) are refused, with the test that does without.
"""

from __future__ import annotations

import functools
from collections import namedtuple
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.lazily import when_imported

Result = namedtuple("Result", ["statistic", "pvalue"])


def _summary(sample: Any) -> tuple[float, float, float]:
    """Mean, deviation and number of a sample, which may be public numbers as well."""
    column = sample if isinstance(sample, Column) else pd.Series(np.asarray(sample, dtype=float))
    found = column.agg(["mean", "std", "count"])
    return float(found["mean"]), float(found["std"]), float(found["count"])


def ttest_ind(stats: ModuleType, a: Any, b: Any, *, equal_var: bool = True, **options: Any) -> Any:
    return stats.ttest_ind_from_stats(*_summary(a), *_summary(b), equal_var=equal_var, **_alternative(options))


def ttest_1samp(stats: ModuleType, a: Column, popmean: float, **options: Any) -> Result:
    mean, deviation, number = _summary(a)
    return _by_t(stats, (mean - popmean) / (deviation / np.sqrt(number)), number - 1, **_alternative(options))


def ttest_rel(stats: ModuleType, a: Column, b: Column, **options: Any) -> Result:
    return ttest_1samp(stats, a - b, 0, **options)


def f_oneway(stats: ModuleType, *samples: Any, **options: Any) -> Result:
    means, deviations, numbers = (np.array(part) for part in zip(*map(_summary, samples), strict=True))
    total, groups = numbers.sum(), len(samples)
    between = (numbers * (means - (means * numbers).sum() / total) ** 2).sum() / (groups - 1)
    inside = ((numbers - 1) * deviations**2).sum() / (total - groups)
    return Result(between / inside, stats.f.sf(between / inside, groups - 1, total - groups))


def pearsonr(stats: ModuleType, x: Column, y: Column, **options: Any) -> Result:
    """From the released correlation and the number of rows that have both."""
    correlation = x.corr(y)
    freedom = float((x.notna() & y.notna()).sum()) - 2
    scaled = correlation * np.sqrt(freedom / (1 - correlation**2))
    return Result(correlation, _by_t(stats, scaled, freedom, **_alternative(options)).pvalue)


def linregress(stats: ModuleType, x: Column, y: Column, **options: Any) -> Any:
    """Slope and intercept from two means, two deviations and one correlation."""
    both = side_by_side([x, y], ["x", "y"]).dropna()
    found = both.agg(["mean", "std"])
    correlation, pvalue = pearsonr(stats, both["x"], both["y"])
    slope = correlation * found.loc["std", "y"] / found.loc["std", "x"]
    fit = namedtuple("LinregressResult", ["slope", "intercept", "rvalue", "pvalue"])
    return fit(slope, found.loc["mean", "y"] - slope * found.loc["mean", "x"], correlation, pvalue)


def _by_t(stats: ModuleType, value: float, freedom: float, alternative: str = "two-sided") -> Result:
    tails = {
        "two-sided": 2 * stats.t.sf(abs(value), freedom),
        "less": stats.t.cdf(value, freedom),
        "greater": stats.t.sf(value, freedom),
    }
    return Result(value, float(tails[alternative]))


def _alternative(options: dict[str, Any]) -> dict[str, Any]:
    left = {name for name, value in options.items() if name not in ("alternative", "nan_policy", "axis") and value}
    if left:
        raise HandleError(f"This test does not take {', '.join(sorted(left))} here.")
    return {name: value for name, value in options.items() if name == "alternative"}


def zscore(stats: ModuleType, a: Column, axis: int = 0, ddof: int = 0, **options: Any) -> Column:
    return (a - a.mean()) / a.std(ddof=ddof)


def sem(stats: ModuleType, a: Column, axis: int = 0, ddof: int = 1, **options: Any) -> float:
    return a.std(ddof=ddof) / np.sqrt(a.count())


def mode(stats: ModuleType, a: Column, **options: Any) -> Any:
    counts = a.value_counts().sort_index()
    return stats._stats_py.ModeResult(counts.idxmax(), counts.max())


def hmean(stats: ModuleType, a: Column, **options: Any) -> float:
    return 1 / (1 / a).mean()


def gmean(stats: ModuleType, a: Column, **options: Any) -> float:
    return float(np.exp(np.log(a).mean()))


def percentileofscore(stats: ModuleType, a: Column, score: float, kind: str = "rank", **options: Any) -> float:
    below, upto, number = (a < score).mean(), (a <= score).mean(), a.count()
    ranked = (below + upto + (upto > below) / number) / 2
    return 100 * {"rank": ranked, "mean": (below + upto) / 2, "strict": below, "weak": upto}[kind]


def skew(stats: ModuleType, a: Column, axis: int = 0, bias: bool = True, **options: Any) -> float:
    unbiased, n = a.skew(), a.count()
    return unbiased if not bias else unbiased * (n - 2) / np.sqrt(n * (n - 1))


def _refusing(name: str, instead: str) -> Callable[..., Any]:
    def refuse(stats: ModuleType, *args: Any, **options: Any) -> Any:
        raise HandleError(f"{name} needs the order of all patients' rows, which stay in the room.", suggestion=instead)

    return refuse


_MEANS = "stats.ttest_ind compares means; pd.cut and stats.chi2_contingency(pd.crosstab(…)) compare distributions."
_SHAPE = "Look at df.x.skew(), df.x.kurtosis() and df.x.hist()."
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ttest_ind": ttest_ind,
    "ttest_1samp": ttest_1samp,
    "ttest_rel": ttest_rel,
    "f_oneway": f_oneway,
    "pearsonr": pearsonr,
    "linregress": linregress,
    "zscore": zscore,
    "sem": sem,
    "mode": mode,
    "hmean": hmean,
    "gmean": gmean,
    "skew": skew,
    "percentileofscore": percentileofscore,
    **{name: _refusing(name, _MEANS) for name in ("ks_2samp", "mannwhitneyu", "wilcoxon", "kruskal", "ranksums")},
    **{name: _refusing(name, "stats.pearsonr needs no order.") for name in ("spearmanr", "kendalltau")},
    **{name: _refusing(name, _SHAPE) for name in ("shapiro", "normaltest", "anderson", "kstest", "probplot")},
}


def install() -> None:
    when_imported("scipy.stats", _wrap)


def _wrap(module: ModuleType) -> None:
    for name, ours in FUNCTIONS.items():
        original = getattr(module, name)
        if not hasattr(original, "_clean_room"):
            setattr(module, name, _wrapped(module, original, ours))


def _wrapped(module: ModuleType, original: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(*args: Any, **options: Any) -> Any:
        if any(isinstance(value, (Column, Frame)) for value in (*args, *options.values())):
            return ours(module, *args, **options)
        return original(*args, **options)

    call._clean_room = True  # type: ignore[attr-defined]
    return call
