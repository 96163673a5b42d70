"""Regression: models of statsmodels over rows of the room, fitted in the vault by scikit-learn without a penalty.

The vault releases coefficients, their standard errors and how well the model fits, each judged like a coefficient; all
else (t, p, intervals, adjusted R squared, AIC, the summary) is computed here from those numbers. A coefficient that the
policy hides is NaN, and so is what follows from it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import GammaRegressor, LinearRegression, LogisticRegression, PoissonRegressor

from cleanroom_kernel.interpreter import learn_fitted
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.interpreter.splitting import is_unit, unit_of

_EXACT = {"tol": 1e-10, "max_iter": 500}  # as close to the optimum as statsmodels goes


@dataclass(frozen=True)
class Kind:
    """A kind of model: what statsmodels calls it, who fits it, and what its goodness of fit consists of."""

    name: str
    response: str
    estimator: Callable[[bool], Any]
    goodness: tuple[str, ...]
    by_t: bool = False


LINEAR = Kind("OLS", "Least Squares", lambda i: LinearRegression(fit_intercept=i), ("scale", "spread"), by_t=True)
LOGIT = Kind(
    "Logit",
    "MLE",
    lambda i: LogisticRegression(C=np.inf, solver="newton-cholesky", fit_intercept=i, **_EXACT),
    ("llf", "llnull", "deviance", "pearson_chi2"),
)
POISSON = Kind(
    "Poisson",
    "MLE",
    lambda i: PoissonRegressor(alpha=0, solver="newton-cholesky", fit_intercept=i, **_EXACT),
    ("llf", "llnull", "deviance", "pearson_chi2"),
)
GAMMA = Kind(
    "Gamma",
    "IRLS",
    lambda i: GammaRegressor(alpha=0, solver="newton-cholesky", fit_intercept=i, **_EXACT),
    ("scale", "deviance", "pearson_chi2"),
)


def as_glm(kind: Kind) -> Kind:
    """statsmodels tests the coefficients of its GLM by the normal distribution, of a linear one too."""
    return replace(kind, by_t=False)


@dataclass(frozen=True)
class Model:
    """An unfitted model over rows of the room. `names` are the coefficients', `constant` is the intercept's."""

    kind: Kind
    title: str
    target: Column
    features: Frame
    names: list[str]
    constant: str | None

    def fit(self, *, cov_type: str = "nonrobust", cov_kwds: Any = None, use_t: Any = None, **options: Any) -> Results:
        """Fitted in the vault. `cov_type="cluster"` takes the patient's id as groups."""
        unknown = {name for name, value in options.items() if value is not None} - _OF_THE_SEARCH
        if unknown:
            raise HandleError(f"fit takes no {', '.join(sorted(unknown))} for rows of the room.")
        clustered = self._is_clustered(cov_type, cov_kwds or {})
        model = self.kind.estimator(self.constant is not None)
        model.fit(self.features, self.target)
        return Results(self, model, clustered, self.kind.by_t and not clustered if use_t is None else bool(use_t))

    def fit_regularized(self, *args: Any, **options: Any) -> Any:
        raise HandleError(
            "A penalised model is scikit-learn's here.",
            suggestion="LogisticRegression, Ridge or Lasso of scikit-learn.",
        )

    def __getattr__(self, name: str) -> Any:
        if name in ("endog", "exog", "data"):
            raise HandleError(
                "The rows of this model stay in the room, so tests that go back to them are not made.",
                suggestion="Fit the smaller model as well and compare llf or rsquared; stats.f_oneway compares means.",
            )
        raise AttributeError(f"{self.title!r} model has no attribute {name!r}")

    def _is_clustered(self, cov_type: str, options: dict[str, Any]) -> bool:
        if cov_type == "nonrobust":
            return False
        if cov_type == "cluster" and isinstance(groups := options.get("groups"), Column) and is_unit(groups):
            return True
        raise HandleError(
            f"cov_type={cov_type!r} is not available for rows of the room.",
            suggestion=f"Rows of one patient depend on each other: cov_type='cluster', "
            f"cov_kwds={{'groups': {unit_of(self.features)}}}.",
        )


_OF_THE_SEARCH = {"method", "maxiter", "disp", "full_output", "tol", "start_params", "warn_convergence", "scale"}


class Results:
    """What statsmodels calls the results of a fit. Every number is released, or computed from released ones."""

    def __init__(self, model: Model, fitted: Any, clustered: bool, use_t: bool) -> None:
        self.model = model
        self.use_t = use_t
        self.cov_type = "cluster" if clustered else "nonrobust"
        self._fitted = fitted

    def _ask(self, name: str) -> np.ndarray:
        return np.atleast_1d(np.asarray(learn_fitted.ask(learn_fitted.mark_of(self._fitted), name), dtype=float))

    def _in_order(self, intercept: float, slopes: np.ndarray) -> pd.Series:
        left = iter(slopes)
        found = [intercept if name == self.model.constant else next(left) for name in self.model.names]
        return pd.Series(found, index=self.model.names, dtype=float)

    @functools.cached_property
    def params(self) -> pd.Series:
        intercept = float(self._ask("intercept_")[0]) if self.model.constant is not None else np.nan
        return self._in_order(intercept, self._ask("coef_").ravel())

    @functools.cached_property
    def bse(self) -> pd.Series:
        name = "clustered_errors_" if self.cov_type == "cluster" else "standard_errors_"
        found = self._ask(name)
        return self._in_order(float(found[0]), found[1:])

    @functools.cached_property
    def _goodness(self) -> dict[str, float]:
        return dict(zip(("nobs", "units", *self.model.kind.goodness), map(float, self._ask("goodness_")), strict=True))

    # -- what follows from these ---------------------------------------------------------------------------------------
    @property
    def nobs(self) -> float:
        """Rows of the fit, rounded as counts are."""
        return self._goodness["nobs"]

    @property
    def df_model(self) -> float:
        return float(len(self.model.names) - (self.model.constant is not None))

    @property
    def df_resid(self) -> float:
        return self.nobs - len(self.model.names)

    @property
    def tvalues(self) -> pd.Series:
        return self.params / self.bse

    @property
    def pvalues(self) -> pd.Series:
        size = self.tvalues.abs()
        found = 2 * (stats.t.sf(size, self.df_resid) if self.use_t else stats.norm.sf(size))
        return pd.Series(found, index=size.index)

    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame:
        wide = stats.t.ppf(1 - alpha / 2, self.df_resid) if self.use_t else stats.norm.ppf(1 - alpha / 2)
        return pd.DataFrame({0: self.params - wide * self.bse, 1: self.params + wide * self.bse})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in self.model.kind.goodness:
            return self._goodness[name]
        derived = _DERIVED[self.model.kind.name]
        if name in derived:
            return derived[name](self)
        if name in _REFUSED:
            raise HandleError(f"{name} of a model of the room's rows is not shown.", suggestion=_REFUSED[name])
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        kind = self.model.kind
        return [name for name in (*super().__dir__(), *kind.goodness, *_DERIVED[kind.name]) if name[0] != "_"]

    # -- rows ----------------------------------------------------------------------------------------------------------
    def predict(self, exog: Any = None) -> Column:
        """What the model expects of each row, as a column of the room."""
        features = self.model.features if exog is None else exog
        if not isinstance(features, Frame):
            raise HandleError("This model was fitted to rows of the room and predicts those.")
        if self.model.constant is not None and self.model.constant in features._columns:
            features = features.drop(columns=[self.model.constant])
        if self.model.kind.name == LOGIT.name:
            return self._fitted.predict_proba(features)[:, 1]
        return self._fitted.predict(features)

    @property
    def fittedvalues(self) -> Column:
        """A column of the room, as the rows are."""
        return self.predict().rename(None)

    @property
    def resid(self) -> Column:
        """A column of the room: its mean, its deviation and its histogram can be asked for, a row of it cannot."""
        return self.model.target - self.fittedvalues

    # -- shown ---------------------------------------------------------------------------------------------------------
    def summary(self, alpha: float = 0.05, **options: Any) -> Any:
        from cleanroom_kernel.interpreter.regression_summary import summary

        return summary(self, alpha)

    def __repr__(self) -> str:
        return f"<{self.model.title} of {len(self.model.names)} coefficients, fitted in the vault; .summary() shows it>"


# -- what follows from the goodness of fit -----------------------------------------------------------------------------
def _adjusted(of: Results) -> float:
    constant = float(of.model.constant is not None)
    return float(1 - (of.nobs - constant) / of.df_resid * (1 - of.rsquared))


def _f(of: Results) -> float:
    return float((of.rsquared / of.df_model) / ((1 - of.rsquared) / of.df_resid))


def _likelihood(of: Results) -> float:
    """Of a linear model with normal residuals."""
    return float(-of.nobs / 2 * (np.log(2 * np.pi * of.scale * of.df_resid / of.nobs) + 1))


def _ratio(of: Results) -> float:
    return float(2 * (of.llf - of.llnull))


def _aic(of: Results) -> float:
    return float(2 * len(of.model.names) - 2 * of.llf)


def _bic(of: Results) -> float:
    return float(np.log(of.nobs) * len(of.model.names) - 2 * of.llf)


Derived = dict[str, Callable[[Results], float]]


def _rsquared(of: Results) -> float:
    return float(1 - of.scale * of.df_resid / (of.spread * of.nobs))


_OF_SQUARES: Derived = {
    "rsquared": _rsquared,
    "rsquared_adj": _adjusted,
    "fvalue": _f,
    "f_pvalue": lambda of: float(stats.f.sf(_f(of), of.df_model, of.df_resid)),
    "mse_resid": lambda of: float(of.scale),
    "ssr": lambda of: float(of.scale * of.df_resid),
    "llf": _likelihood,
    "aic": _aic,
    "bic": _bic,
}
_OF_LIKELIHOOD: Derived = {
    "prsquared": lambda of: float(1 - of.llf / of.llnull),
    "llr": _ratio,
    "llr_pvalue": lambda of: float(stats.chi2.sf(_ratio(of), of.df_model)),
    "aic": _aic,
    "bic": _bic,
}
_DERIVED: dict[str, Derived] = {"OLS": _OF_SQUARES, "Logit": _OF_LIKELIHOOD, "Poisson": _OF_LIKELIHOOD, "Gamma": {}}

_INFLUENCE = "What single rows do to the model is theirs. A coefficient that few patients decide is hidden anyway."
_REFUSED = {
    "get_influence": _INFLUENCE,
    "outlier_test": _INFLUENCE,
    "resid_pearson": "resid is a column of the room.",
    "resid_deviance": "resid is a column of the room.",
    "cov_params": "bse has the standard errors, conf_int() the intervals.",
    "f_test": "Fit the smaller model as well and compare llf or rsquared.",
    "t_test": "tvalues and pvalues test single coefficients.",
    "wald_test": "Fit the smaller model as well and compare llf or rsquared.",
    "get_prediction": "predict gives the column; intervals of single rows are not made.",
    "get_margeff": "np.exp(params) are odds ratios.",
    "plot_partial_regress": "A mark of it would be a patient. sns.scatterplot draws counts of bins.",
}
