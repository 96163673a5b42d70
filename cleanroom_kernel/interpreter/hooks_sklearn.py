"""scikit-learn's hooks: estimators and functions that meet a handle among their arguments go our way.

Promise: a call without a handle, of an estimator that was not fitted in the vault, is scikit-learn's own, unchanged.
The hooks wait for an import, so that a notebook without models does not pay for one; they also work on a scikit-learn
that is loaded already. What they lead to is loaded when the first handle comes.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import FunctionType, ModuleType
from typing import Any

from cleanroom_kernel.interpreter.handles import Handle
from cleanroom_kernel.interpreter.lazily import when_imported
from cleanroom_kernel.interpreter.learn_quietly import quietly
from cleanroom_kernel.interpreter.room import Room

METHODS = (
    "fit", "partial_fit", "fit_transform", "fit_predict", "fit_resample", "predict", "predict_proba",
    "predict_log_proba", "decision_function", "transform", "inverse_transform", "score", "score_samples", "apply",
    "decision_path", "kneighbors", "radius_neighbors", "staged_predict", "staged_predict_proba",
    "staged_decision_function", "get_feature_names_out", "get_support",
)  # fmt: skip

_PLOTS = ("roc_curve", "precision_recall_curve", "confusion_matrix")
_DISPLAYS = ("RocCurveDisplay", "PrecisionRecallDisplay", "ConfusionMatrixDisplay", "CalibrationDisplay")

_MARK = "_clean_room"  # of an estimator that stands for one in the vault, and of what is wrapped already


def install(room: Room) -> None:
    room.release_with(_release, _of_model)
    prepare()


def prepare() -> None:
    """Wait for scikit-learn, or wrap what is loaded of it."""
    when_imported("sklearn.utils._param_validation", _wrap_functions)
    when_imported("sklearn.utils._set_output", _wrap_containers)
    when_imported("sklearn.base", _wrap_estimators)
    when_imported("sklearn.model_selection._split", _wrap_splitters)
    for module in ("sklearn.calibration", *(f"sklearn.metrics._plot.{name}" for name in _PLOTS)):
        when_imported(module, _wrap_displays)


def _release(model: Any, filename: str) -> Any:
    from cleanroom_kernel.interpreter import learn_release

    return learn_release.release(model, filename)


def _of_model(model: Any, filename: str) -> Any:
    from cleanroom_kernel.interpreter import learn_release

    return learn_release.asked_for(model, filename)


def _holds_handle(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    return any(isinstance(value, Handle) for value in args) or any(
        isinstance(value, Handle) for value in kwargs.values()
    )


def _is_new(wrapped: Any) -> bool:
    return not getattr(wrapped, _MARK, False)


def _marked(wrapper: Any) -> Any:
    setattr(wrapper, _MARK, True)
    return wrapper


# -- functions --------------------------------------------------------------------------------------------------------
def _wrap_functions(module: ModuleType) -> None:
    """Every public function of scikit-learn is decorated by validate_params."""
    if not _is_new(module.validate_params):
        return
    original = module.validate_params

    @functools.wraps(original)
    def validate_params(*args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        decorate = original(*args, **kwargs)
        return lambda function: _function(decorate(function))

    module.validate_params = _marked(validate_params)  # type: ignore[attr-defined]
    _wrap_loaded_functions()


def _wrap_loaded_functions() -> None:
    wrapped: dict[Any, Any] = {}
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "sklearn" or module is None:
            continue
        for key, value in list(vars(module).items()):
            if isinstance(value, FunctionType) and hasattr(value, "_skl_parameter_constraints") and _is_new(value):
                setattr(module, key, wrapped.setdefault(value, _function(value)))


def _function(function: Any) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if _holds_handle(args, kwargs):
            from cleanroom_kernel.interpreter import learn_functions

            return learn_functions.call(function, args, kwargs)
        return function(*args, **kwargs)

    return _marked(call)


# -- estimators -------------------------------------------------------------------------------------------------------
def _wrap_estimators(module: ModuleType) -> None:
    """The methods of every class that is derived from BaseEstimator, along its whole order of resolution."""
    base = module.BaseEstimator
    if not _is_new(base.__init_subclass__.__func__):
        return
    original = base.__init_subclass__.__func__

    @functools.wraps(original)
    def init_subclass(cls: type, **options: Any) -> None:
        original(cls, **options)
        _wrap_classes_of(cls)

    base.__init_subclass__ = classmethod(_marked(init_subclass))
    base._html_repr = _asking_nothing(base._html_repr)
    base.__dir__ = _asking_nothing(base.__dir__)
    _wrap_derived(base)


def _wrap_derived(base: type) -> None:
    """Classes that were there before."""
    for cls in base.__subclasses__():
        _wrap_classes_of(cls)
        _wrap_derived(cls)


def _wrap_classes_of(cls: type) -> None:
    for kind in cls.__mro__[:-1]:
        for name in METHODS:
            _wrap_method(kind, name)


def _wrap_method(kind: type, name: str) -> None:
    found = vars(kind).get(name)
    if isinstance(found, FunctionType) and _is_new(found):
        setattr(kind, name, _method(found, name))
    elif isinstance(getattr(found, "fn", None), FunctionType) and _is_new(found.fn):  # available_if
        found.fn = _method(found.fn, name)


def _method(function: Any, name: str) -> Any:
    @functools.wraps(function)
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _MARK in self.__dict__ or _holds_handle(args, kwargs):
            from cleanroom_kernel.interpreter import learn

            return learn.call(self, name, function, args, kwargs)
        return function(self, *args, **kwargs)

    return _marked(call)


def _asking_nothing(function: Any) -> Any:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with quietly():
            return function(*args, **kwargs)

    return call


def _wrap_containers(module: ModuleType) -> None:
    """set_output wraps the methods of a class after us, and would put a handle into a DataFrame."""
    original = module._wrap_method_output
    if not _is_new(original):
        return

    @functools.wraps(original)
    def wrap(function: Any, method: str) -> Any:
        usual = original(function, method)

        @functools.wraps(function)
        def call(self: Any, X: Any, *args: Any, **kwargs: Any) -> Any:
            chosen = function if isinstance(X, Handle) else usual
            return chosen(self, X, *args, **kwargs)

        return call

    module._wrap_method_output = _marked(wrap)  # type: ignore[attr-defined]


# -- splitters --------------------------------------------------------------------------------------------------------
def _wrap_splitters(module: ModuleType) -> None:
    for kind in vars(module).values():
        found = vars(kind).get("split") if isinstance(kind, type) else None
        if isinstance(found, FunctionType) and _is_new(found):
            kind.split = _splitter(found)


def _splitter(function: Any) -> Any:
    @functools.wraps(function)
    def split(self: Any, *args: Any, **kwargs: Any) -> Any:
        if _holds_handle(args, kwargs):
            from cleanroom_kernel.interpreter import splitting

            return splitting.split(self, *args, **kwargs)
        return function(self, *args, **kwargs)

    return _marked(split)


# -- plots ------------------------------------------------------------------------------------------------------------
def _wrap_displays(module: ModuleType) -> None:
    for kind in (vars(module)[name] for name in _DISPLAYS if name in vars(module)):
        for name in ("from_estimator", "from_predictions"):
            found = vars(kind)[name].__func__
            if _is_new(found):
                setattr(kind, name, classmethod(_display(found)))


def _display(function: Any) -> Any:
    @functools.wraps(function)
    def call(cls: Any, *args: Any, **kwargs: Any) -> Any:
        if _holds_handle(args, kwargs):
            from cleanroom_kernel.interpreter import learn_displays

            return learn_displays.call(cls, function, args, kwargs)
        return function(cls, *args, **kwargs)

    return _marked(call)
