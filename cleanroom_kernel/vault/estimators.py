"""Estimators: from an estimator's description in a plan to a genuine, unfitted estimator of scikit-learn.

Promise: only classes of the closed table `model_rules.FAMILY` are built, and of splitters those in `SPLITTERS`; their
parameters are constants that scikit-learn's own checks accept. Nothing that the expert wrote is run, written to disk or
kept from one fit to the next, and every seed is keyed (rules S8, S9, S11).
"""

from __future__ import annotations

import importlib
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - importing it makes the two classes public
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError

from cleanroom_kernel.disclosure.model_rules import FAMILY, Family
from cleanroom_kernel.plan.models import Estimator, Items, Mapping, Parameter, Plain, Task
from cleanroom_kernel.plan.nodes import Forbidden, PlanError, fold
from cleanroom_kernel.vault.seeds import Seeds

GROUPED = frozenset({"GroupKFold", "StratifiedGroupKFold", "GroupShuffleSplit"})  # they keep a patient's rows together
SPLITTERS = frozenset(
    f"sklearn.model_selection.{name}"
    for name in (
        *GROUPED,
        "KFold",
        "StratifiedKFold",
        "ShuffleSplit",
        "StratifiedShuffleSplit",
        "RepeatedKFold",
        "RepeatedStratifiedKFold",
    )
)

_RULE = "estimators"
_DEFAULT_SEED = 0  # of estimators without a seed, so that the same question has the same answer
_NO_SEED = "deprecated"  # what scikit-learn puts in the place of a seed that is no longer used
_MOST_NODES = 400
_MOST_CANDIDATES = 500  # of a search

# Parameters that an expert may set only to these values.
_FIXED: dict[str, tuple[Any, ...]] = {
    "memory": (None,),
    "warm_start": (False,),
    "oob_score": (False,),
    "store_cv_results": (False,),
    "store_covariance": (False, True),
    "callback": (None,),
    "refit": (True,),
    "importance_getter": ("auto",),
    "prefit": (False,),
}


def build(spec: Estimator, task: Task, seeds: Seeds, cores: int = 1) -> BaseEstimator:
    """The unfitted estimator. Raises PlanError or Forbidden, for reasons that lie in the description alone."""
    number = 0

    def step(node: Parameter, parts: tuple[Any, ...]) -> Any:
        nonlocal number
        number += 1
        if number > _MOST_NODES:
            raise PlanError("The estimator's description is too long.", rule=_RULE)
        return _value(node, parts, seeds, cores)

    model: BaseEstimator = fold(spec, step)
    if not isinstance(model, BaseEstimator):
        raise PlanError(f"{spec.name} is a way to split rows, not an estimator.", rule=_RULE)
    _check_parameters(model)
    _check_task(model, task)
    _check_groups(model)
    return model


def by_patient(model: BaseEstimator) -> bool:
    """Whether an estimator is to be told whose each row is, so that its folds keep them together."""
    return type(getattr(model, "cv", None)).__name__ in GROUPED


def family_of(model: BaseEstimator) -> Family:
    return FAMILY[public_name(type(model))]


def public_name(kind: type) -> str:
    """The name under which a class is documented: without the private modules that it is defined in."""
    module = ".".join(part for part in kind.__module__.split(".") if not part.startswith("_"))
    for name in (f"{module}.{kind.__name__}", f"{module.rpartition('.')[0]}.{kind.__name__}"):
        if name in FAMILY:
            return name
    return f"{module}.{kind.__name__}"


# -- nodes ------------------------------------------------------------------------------------------------------------
def _value(node: Any, parts: tuple[Any, ...], seeds: Seeds, cores: int) -> Any:
    if isinstance(node, Plain):
        return node.value
    if isinstance(node, Items):
        return tuple(parts) if node.is_tuple else list(parts)
    if isinstance(node, Mapping):
        return dict(zip(node.keys, parts, strict=True))
    if isinstance(node, Estimator):
        return _instance(
            node, dict(zip((argument.name for argument in node.arguments), parts, strict=True)), seeds, cores
        )
    return parts[0]  # an Argument


def _instance(spec: Estimator, arguments: dict[str, Any], seeds: Seeds, cores: int) -> Any:
    if len(arguments) != len(spec.arguments):
        raise PlanError(f"{spec.name}: a parameter is given twice.", rule=_RULE)
    kind = _class(spec.name)
    for name, allowed in _FIXED.items():
        if name in arguments and arguments[name] not in allowed:
            raise Forbidden(f"{kind.__name__}: {name}={arguments[name]!r} is not possible here.", rule=_RULE)
    try:
        made = kind(**arguments)
    except TypeError:
        raise PlanError(f"{kind.__name__} has no such parameters.", rule=_RULE) from None
    if spec.name in SPLITTERS:
        return _keyed_splitter(made, seeds)
    return made.set_params(**_settings(made, seeds, cores))


def _class(name: str) -> type:
    if name not in FAMILY and name not in SPLITTERS:
        raise PlanError(
            f"{name} cannot be fitted in the room.",
            rule=_RULE,
            suggestion="Estimators of scikit-learn's public modules can, where they give predictions for new rows.",
        )
    module, _, kind = name.rpartition(".")
    found: type = getattr(importlib.import_module(module), kind)
    return found


def _settings(model: BaseEstimator, seeds: Seeds, cores: int) -> dict[str, Any]:
    """Parameters that are the vault's to decide."""
    given = model.get_params(deep=False)
    settings: dict[str, Any] = {}
    if given.get("random_state", _NO_SEED) != _NO_SEED:
        settings["random_state"] = _seed(given["random_state"], seeds)
    if "n_jobs" in given:
        settings["n_jobs"] = _jobs(model, given["n_jobs"], cores)
    if "verbose" in given:
        settings["verbose"] = False
    if "cv" in given:
        settings["cv"] = _folds(given["cv"], model, seeds)
    return settings


def _seed(given: Any, seeds: Seeds) -> int:
    if given is None:
        return seeds.effective(_DEFAULT_SEED, "model without a seed")
    if type(given) is not int:
        raise PlanError("random_state is an integer or None.", rule=_RULE)
    return seeds.effective(given, "model")


def _jobs(model: BaseEstimator, given: Any, cores: int) -> int | None:
    """Forests work in threads; everything else would start processes."""
    if given is None or FAMILY[public_name(type(model))] is not Family.TREES:
        return None
    return min(given, cores) if type(given) is int and given > 0 else cores


# -- folds ------------------------------------------------------------------------------------------------------------
def _folds(given: Any, model: BaseEstimator, seeds: Seeds) -> Any:
    """Folds that nobody can choose or predict; None where the estimator does without folds."""
    from sklearn.model_selection import KFold, StratifiedKFold

    if given is not None and type(given) is not int:
        if f"sklearn.model_selection.{type(given).__name__}" not in SPLITTERS:
            raise Forbidden("Folds are a number or one of scikit-learn's splitters here.", rule=_RULE)
        return given
    if not seeds.keyed or (given is None and type(model).__name__.startswith("Ridge")):
        return given
    regressor = get_tags(model).estimator_type == "regressor"
    return _keyed_splitter((KFold if regressor else StratifiedKFold)(5 if given is None else given), seeds)


def _keyed_splitter(made: Any, seeds: Seeds) -> Any:
    if seeds.keyed:
        if hasattr(made, "shuffle"):
            made.shuffle = True
        made.random_state = _seed(made.random_state, seeds)
    return made


# -- checks -----------------------------------------------------------------------------------------------------------
def _check_parameters(model: BaseEstimator) -> None:
    for part in (model, *nested(model)):
        if not hasattr(part, "_parameter_constraints"):
            continue
        try:
            part._validate_params()
        except InvalidParameterError as wrong:
            raise PlanError(str(wrong), rule=_RULE) from None
        candidates = getattr(part, "param_grid", getattr(part, "param_distributions", None))
        if candidates is not None:
            drawn = getattr(part, "n_iter", getattr(part, "n_candidates", None))
            _check_candidates(candidates, drawn if isinstance(drawn, int) else None)


def nested(model: BaseEstimator) -> list[BaseEstimator]:
    """Estimators among the parameters of an estimator, and theirs."""
    return [value for value in model.get_params(deep=True).values() if isinstance(value, BaseEstimator)]


def _check_candidates(grid: Any, drawn: int | None) -> None:
    """`drawn` of them are tried, or all."""
    from sklearn.model_selection import ParameterGrid

    try:
        candidates = ParameterGrid(grid)
        too_many = (len(candidates) if drawn is None else drawn) > _MOST_CANDIDATES
        names = {name for one in (grid if isinstance(grid, list) else [grid]) for name in one}
    except (TypeError, ValueError):
        raise PlanError("A grid maps names of parameters to lists of values.", rule=_RULE) from None
    if too_many:
        raise PlanError(f"A search tries at most {_MOST_CANDIDATES} candidates here.", rule=_RULE)
    for name in names:
        if name.rpartition("__")[2] in {*_FIXED, "random_state", "n_jobs", "cv", "verbose"}:
            raise Forbidden(f"{name} cannot be searched over.", rule=_RULE)


def _check_groups(model: BaseEstimator) -> None:
    """scikit-learn tells a search whose rows are whose, and nobody else; nothing inside of it either."""
    if any(by_patient(part) for part in nested(model)) or (by_patient(model) and not hasattr(model, "scoring")):
        raise PlanError(
            "Folds by patient are made by a search or by cross_val_score.",
            rule=_RULE,
            suggestion="Use a number of folds inside an estimator.",
        )


def _check_task(model: BaseEstimator, task: Task) -> None:
    transforms = task is Task.TRANSFORM and hasattr(type(model), "transform")
    if not transforms and get_tags(model).estimator_type != task.value:
        raise PlanError(f"{type(model).__name__} is no {task.value}.", rule=_RULE)
