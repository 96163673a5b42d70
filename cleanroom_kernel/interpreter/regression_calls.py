"""Regression calls: statsmodels on rows of the room. What is not rows is statsmodels' own business.

Promise: nothing here asks the vault but `fit` and what is read off its results (regression.py). A model that cannot be
fitted in the vault is refused with the one that can.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from cleanroom_kernel.interpreter import regression
from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import Column, Frame, Handle
from cleanroom_kernel.interpreter.joins import side_by_side
from cleanroom_kernel.interpreter.regression import GAMMA, LINEAR, LOGIT, POISSON, Kind, Model

CONSTANT = "const"

_FAMILIES: dict[str, tuple[Kind, str]] = {
    "Gaussian": (LINEAR, "Identity"),
    "Binomial": (LOGIT, "Logit"),
    "Poisson": (POISSON, "Log"),
    "Gamma": (GAMMA, "Log"),
}
_BY_FORMULA: dict[str, Kind | None] = {"ols": LINEAR, "logit": LOGIT, "poisson": POISSON, "glm": None}
_BY_COLUMNS: dict[str, Kind | None] = {"OLS": LINEAR, "Logit": LOGIT, "Poisson": POISSON, "GLM": None}
_INSTEAD = {
    "wls": "ols has every row count alike.",
    "gls": "ols, with cov_type='cluster' for rows of one patient.",
    "rlm": "ols, of np.log(y) where few values are large.",
    "quantreg": "df.groupby(…).x.quantile() gives quantiles by group.",
    "mixedlm": "ols with cov_type='cluster' and the patient's id as groups.",
    "gee": "glm with cov_type='cluster' and the patient's id as groups.",
    "probit": "logit.",
    "mnlogit": "LogisticRegression of scikit-learn has several classes.",
    "negativebinomial": "poisson, with cov_type='cluster'.",
    "phreg": "room.survival gives curves by group, room.logrank_test compares them.",
    "survfuncright": "room.survival(df.time, df.event) gives the curve.",
}


def wrap_formulas(module: ModuleType) -> None:
    for name in (*_BY_FORMULA, *_INSTEAD):
        if hasattr(module, name):
            setattr(module, name, _formula(getattr(module, name), name))


def wrap_columns(module: ModuleType) -> None:
    known = {name.lower(): name for name in dir(module)}
    for name in (*_BY_COLUMNS, *(known[name] for name in _INSTEAD if name in known)):
        _wrap(module, name, functools.partial(_by_columns, name))
    wrap_tools(module)


def wrap_tools(module: ModuleType) -> None:
    _wrap(module, "add_constant", add_constant)


def _wrap(module: ModuleType, name: str, ours: Callable[..., Any]) -> None:
    original = getattr(module, name)
    call = _either(original, ours)
    if hasattr(original, "from_formula"):
        call.__dict__["from_formula"] = _formula(original.from_formula, name.lower())
    setattr(module, name, call)


def _formula(original: Callable[..., Any], name: str) -> Callable[..., Any]:
    if hasattr(original, "_clean_room"):
        return original

    def own(*args: Any, **options: Any) -> Any:
        """statsmodels looks for names so many calls further up, of which the wrapper and this are two."""
        depth = options.get("eval_env", 1)
        if isinstance(depth, int) and depth >= 0:
            options["eval_env"] = depth + 2
        return original(*args, **options)

    functools.update_wrapper(own, original)
    return _either(own, functools.partial(_by_formula, name))


def _either(original: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
    """Ours where an argument stands for rows of the room."""
    if hasattr(original, "_clean_room"):
        return original

    @functools.wraps(original, updated=())
    def call(*args: Any, **options: Any) -> Any:
        if any(isinstance(value, Handle) for value in (*args, *options.values())):
            return ours(*args, **options)
        return original(*args, **options)

    call.__dict__["_clean_room"] = original
    return call


# -- formulas ---------------------------------------------------------------------------------------------------------
def _by_formula(name: str, formula: str, data: Any, subset: Any = None, *, family: Any = None, **options: Any) -> Model:
    from cleanroom_kernel.interpreter.formulas import design  # with patsy, for those who use it

    _check(name, options)
    if not isinstance(data, Frame):
        raise HandleError("A formula reads a table of the room.", suggestion="smf.ols('y ~ x', data=df)")
    if subset is not None:
        data = data[subset]
    made = design(formula, data, depth=3)
    kind, title = _kind(name, family)
    constant = "Intercept" if made.has_intercept else None
    return Model(kind, title, _as_target(kind, made.target), made.features, made.names, constant)


# -- columns ----------------------------------------------------------------------------------------------------------
def _by_columns(
    name: str, endog: Any, exog: Any = None, family: Any = None, missing: str = "none", **options: Any
) -> Model:
    _check(name, options)
    if isinstance(exog, Column):
        exog = exog.to_frame(exog.name if exog.name is not None else "x1")
    if not (isinstance(endog, (Column, Frame)) and isinstance(exog, Frame)):
        raise HandleError("Target and columns are rows of the room, both.", suggestion="sm.OLS(df.y, df[['x']])")
    target = endog if isinstance(endog, Column) else endog[next(iter(endog._columns))]
    if missing == "drop":
        known = functools.reduce(lambda one, other: one & other, [exog[label].notna() for label in exog._columns])
        known = known & target.notna()
        target, exog = target[known], exog[known]
    elif missing not in ("none", "raise"):
        raise HandleError(f"missing={missing!r} is not known.", suggestion="missing='drop'")
    names = [str(label) for label in exog._columns]
    constant = CONSTANT if CONSTANT in exog._columns else None
    features = exog.drop(columns=[CONSTANT]) if constant else exog
    if not features._columns:
        raise HandleError("A model needs a column beside the constant.", suggestion="The mean is df.y.mean().")
    kind, title = _kind(name, family)
    return Model(kind, title, _as_target(kind, target), features, names, constant)


def add_constant(data: Any, prepend: bool = True, has_constant: str = "skip") -> Frame:
    """The columns and one of ones, as statsmodels adds it."""
    frame = data.to_frame(data.name if data.name is not None else 0) if isinstance(data, Column) else data
    if CONSTANT in frame._columns:
        if has_constant == "raise":
            raise ValueError("data already contains a constant")
        return frame
    ones = frame.assign(**{CONSTANT: 1.0})[[CONSTANT]]
    return side_by_side([ones, frame] if prepend else [frame, ones])


# -- what is fitted ---------------------------------------------------------------------------------------------------
def _check(name: str, options: dict[str, Any]) -> None:
    if name.lower() in _INSTEAD:
        raise HandleError(f"statsmodels' {name} is not fitted in the vault.", suggestion=_INSTEAD[name.lower()])
    given = sorted(key for key, value in options.items() if value is not None and key not in ("hasconst", "eval_env"))
    if given:
        raise HandleError(f"{name} takes no {', '.join(given)} for rows of the room.")


def _kind(name: str, family: Any) -> tuple[Kind, str]:
    kind = {**_BY_FORMULA, **_BY_COLUMNS}[name]
    if kind is not None:
        return kind, kind.name
    chosen = "Gaussian" if family is None else type(family() if isinstance(family, type) else family).__name__
    if chosen not in _FAMILIES:
        raise HandleError(f"A GLM of family {chosen} is not fitted in the vault.", suggestion=", ".join(_FAMILIES))
    kind, link = _FAMILIES[chosen]
    own = type(getattr(family, "link", None)).__name__
    if family is not None and not isinstance(family, type) and own != link:
        raise HandleError(f"A GLM of family {chosen} has the link {link} here, not {own}.")
    return regression.as_glm(kind), "GLM"


def _as_target(kind: Kind, target: Column) -> Column:
    """Zeros and ones for a logistic model, whatever type they have."""
    if kind.name != LOGIT.name or not target._field.dtype.is_numeric:
        return target
    return target.astype(int).rename(target.name)
