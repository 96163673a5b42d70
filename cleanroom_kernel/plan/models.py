"""Models: what may be fitted, as a value. A `Fit` is an aggregate of its training rows; what is read off the fitted
model (`Inspect`) is one too. Estimators are named by class and parameters, never sent as objects.
"""

from __future__ import annotations

import enum

from cleanroom_kernel.plan.bases import Aggregate, Relation, named_fields, value_field
from cleanroom_kernel.plan.expressions import Constant, Expression, Field, Named, opaque
from cleanroom_kernel.plan.nodes import Node, PlanError, digest
from cleanroom_kernel.plan.schema import DType


class Parameter(Node, frozen=True, eq=False):
    """Base class of the values that an estimator's parameter may have."""


class Plain(Parameter, frozen=True, eq=False):
    value: Constant


class Items(Parameter, frozen=True, eq=False):
    """A list or a tuple; `steps` of a pipeline are a list of tuples of a name and an estimator."""

    items: tuple[Parameter, ...]
    is_tuple: bool = False


class Mapping(Parameter, frozen=True, eq=False):
    keys: tuple[Constant, ...]
    values: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        if len(self.keys) != len(self.values):
            raise PlanError("A mapping needs as many values as keys.")


class Argument(Node, frozen=True, eq=False):
    name: str
    value: Parameter


class Estimator(Parameter, frozen=True, eq=False):
    """An unfitted estimator: its class as "module.Class" under its public name, and the parameters that are set."""

    name: str
    arguments: tuple[Argument, ...] = ()


class Task(enum.Enum):
    """What an estimator is for; the vault checks it against the class."""

    CLASSIFY = "classifier"
    REGRESS = "regressor"
    TRANSFORM = "transformer"
    CLUSTER = "clusterer"
    DETECT = "outlier_detector"


class Method(enum.Enum):
    """What a fitted model can be asked for each row."""

    PREDICT = "predict"
    PREDICT_PROBA = "predict_proba"
    PREDICT_LOG_PROBA = "predict_log_proba"
    DECISION_FUNCTION = "decision_function"
    TRANSFORM = "transform"


class Fit(Aggregate, frozen=True, eq=False):
    """`estimator` fitted to the rows of `over`. Output class: model.

    Seeds inside the estimator's parameters are keyed by the vault (rule S9).
    """

    over: Relation
    estimator: Estimator
    task: Task
    features: tuple[Named, ...]
    target: Expression | None = None
    weight: Expression | None = None

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.features)

    @property
    def target_field(self) -> Field | None:
        return None if self.target is None else value_field(self.target, self.over.fields)

    def _check(self) -> None:
        fields = named_fields(self.features, self.over.fields)
        if not fields:
            raise PlanError("A model needs at least one feature.")
        for field in fields.values():
            if field.role.is_opaque:
                raise opaque(field)
        if self.task in (Task.CLASSIFY, Task.REGRESS) and self.target is None:
            raise PlanError(f"A {self.task.value} needs a target: fit(X, y).")
        if self.task is Task.REGRESS and self.target is not None:
            target = value_field(self.target, self.over.fields)
            if not target.dtype.is_numeric:
                raise PlanError("A regressor needs a numeric target.")
        if self.task is Task.CLASSIFY and self.target_field is not None and self.target_field.dtype is DType.FLOAT:
            raise PlanError("A classifier needs a target of classes.", suggestion="Convert it: y.astype(int).")
        if self.weight is not None and not value_field(self.weight, self.over.fields).dtype.is_numeric:
            raise PlanError("Weights are numbers.")


class Inspect(Aggregate, frozen=True, eq=False):
    """One attribute of a fitted model, such as `coef_`. `path` leads to a part: names of steps or positions.

    Output class: model.
    """

    fit: Fit
    attribute: str
    path: tuple[str, ...] = ()

    def _check(self) -> None:
        if not self.attribute.isidentifier() or self.attribute.startswith("_"):
            raise PlanError(f"{self.attribute!r} is no public attribute.")


def output_fields(fit: Fit, method: Method, names: tuple[str, ...]) -> dict[str, Field]:
    """Types of the columns that `method` gives; how many there are is known from the fit's released summary."""
    if not names or len(set(names)) != len(names):
        raise PlanError("Predictions need distinct column names.")
    if method is not Method.PREDICT:
        probability = method is Method.PREDICT_PROBA
        field = Field(DType.FLOAT, lower=0.0 if probability else None, upper=1.0 if probability else None)
        return dict.fromkeys(names, field)
    if len(names) != 1:
        raise PlanError("predict gives one column.")
    if fit.task is Task.CLASSIFY and fit.target_field is not None:
        return {names[0]: fit.target_field}
    return {names[0]: Field(DType.FLOAT if fit.task is Task.REGRESS else DType.INTEGER)}


def file_of(fit: Fit, name: str) -> str:
    """Identity of the question for a model as a file of this name."""
    return f"{name} of {digest(fit)}"
