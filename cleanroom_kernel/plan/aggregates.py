"""Aggregates: the questions whose answers may leave, each with its output class (the type system of the gate).

Output classes follow the Statbarns of the UK statistical disclosure community; a test holds the tables total.
"""

from __future__ import annotations

import enum

from cleanroom_kernel.plan.bases import Aggregate, Relation, named_fields, number_field, value_field
from cleanroom_kernel.plan.expressions import Constant, Expression, Named, opaque
from cleanroom_kernel.plan.models import Fit, Inspect
from cleanroom_kernel.plan.nodes import Node, PlanError
from cleanroom_kernel.plan.schema import DType


class OutputClass(enum.Enum):
    FREQUENCY = "frequency"  # counts of rows, of non-null values, of units, of distinct values
    LINEAR = "linear"  # sums and means
    SHAPE = "shape"  # variances, covariances, correlations
    POSITION = "position"  # quantiles
    ENDPOINT = "endpoint"  # minimum and maximum
    EVALUATION = "evaluation"  # scores of a model
    MODEL = "model"  # a fitted model and its attributes


class Statistic(Node, frozen=True, eq=False):
    """Base class of what a Summary computes in each group."""


class Size(Statistic, frozen=True, eq=False):
    """Number of rows."""


class Units(Statistic, frozen=True, eq=False):
    """Number of distinct privacy units."""


class Count(Statistic, frozen=True, eq=False):
    """Number of rows where `of` is not null."""

    of: Expression


class Distinct(Statistic, frozen=True, eq=False):
    """Number of distinct non-null values of `of`."""

    of: Expression


class Sum(Statistic, frozen=True, eq=False):
    of: Expression


class Mean(Statistic, frozen=True, eq=False):
    of: Expression


class Variance(Statistic, frozen=True, eq=False):
    """Variance with divisor n - `ddof`; `root` for the standard deviation."""

    of: Expression
    ddof: int = 1
    root: bool = False


class Quantile(Statistic, frozen=True, eq=False):
    """The value below which a share `q` of the non-null values lies (rule C4 says how it is shown)."""

    of: Expression
    q: float

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 1:
            raise PlanError("A quantile lies between 0 and 1.")


class Extreme(Statistic, frozen=True, eq=False):
    """The largest or smallest value: one person's, hence refused by every preset but the permissive test policy."""

    of: Expression
    largest: bool


OUTPUT_CLASS: dict[type[Node], OutputClass] = {
    Size: OutputClass.FREQUENCY,
    Units: OutputClass.FREQUENCY,
    Count: OutputClass.FREQUENCY,
    Distinct: OutputClass.FREQUENCY,
    Sum: OutputClass.LINEAR,
    Mean: OutputClass.LINEAR,
    Variance: OutputClass.SHAPE,
    Quantile: OutputClass.POSITION,
    Extreme: OutputClass.ENDPOINT,
}


class Column(Node, frozen=True, eq=False):
    """A named column of a Summary."""

    name: str
    statistic: Statistic


class Summary(Aggregate, frozen=True, eq=False):
    """Statistics over the rows of `over`, per group of `by` (no `by`: over all rows, one row of results).

    Groups come in the order of their labels; rows with a null label are left out unless `keep_null`. With `margins`
    and two keys, totals over the *shown* cells are added (label "All"), as in pandas' crosstab.
    """

    over: Relation
    columns: tuple[Column, ...]
    by: tuple[Named, ...] = ()
    keep_null: bool = False
    margins: bool = False

    def _check(self) -> None:
        if not self.columns:
            raise PlanError("There is nothing to compute.")
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise PlanError("Two statistics have the same name.")
        for key in named_fields(self.by, self.over.fields).values():
            if key.role.is_opaque:
                raise opaque(key)
            if key.dtype in (DType.DATETIME, DType.DURATION):
                raise PlanError(
                    "Exact dates cannot be group labels.",
                    rule="labels",
                    suggestion="Group by a part of the date (.dt.year, .dt.month) or by bins (pd.cut).",
                )
        if self.margins and not self.by:
            raise PlanError("Margins need groups.")
        for column in self.columns:
            _check_statistic(column.statistic, self.over)


def _check_statistic(statistic: Statistic, over: Relation) -> None:
    if isinstance(statistic, (Size, Units)):
        if isinstance(statistic, Units) and not over.has_units:
            raise PlanError("Rows of a public table belong to no patient.")
    elif isinstance(statistic, Count):
        value_field_or_key(statistic.of, over)
    elif isinstance(statistic, Distinct):
        value_field(statistic.of, over.fields)
    elif isinstance(statistic, (Sum, Mean, Variance, Quantile, Extreme)):
        what = type(statistic).__name__.lower()
        dtype = value_field(statistic.of, over.fields).dtype
        placed = isinstance(statistic, (Mean, Quantile, Extreme))  # what is itself a point in time
        temporal = dtype is DType.DURATION or (dtype is DType.DATETIME and placed)
        if not temporal:
            number_field(statistic.of, over.fields, what)
        if isinstance(statistic, Variance) and temporal:
            raise PlanError("A variance needs numbers.", suggestion="Use .dt.days or .dt.total_seconds() first.")
    else:
        raise AssertionError(f"unhandled statistic {type(statistic).__name__}")


def value_field_or_key(expression: Expression, over: Relation) -> None:
    """Counting non-null values asks nothing of the values, so an identifier may be counted too."""
    named_fields((Named("_", expression),), over.fields)


class Correlation(Aggregate, frozen=True, eq=False):
    """Pearson correlations (or covariances with divisor n - 1) of numeric columns, over pairwise complete rows.

    Output class: shape.
    """

    over: Relation
    columns: tuple[Named, ...]
    covariance: bool = False

    def _check(self) -> None:
        named_fields(self.columns, self.over.fields)
        for column in self.columns:
            number_field(column.of, self.over.fields, "corr")
        if not 2 <= len(self.columns) <= 200:
            raise PlanError("A correlation needs 2 to 200 columns.")


class Score(enum.Enum):
    """Metrics of scikit-learn that give one number for a set of rows."""

    ACCURACY = "accuracy_score"
    BALANCED_ACCURACY = "balanced_accuracy_score"
    PRECISION = "precision_score"
    RECALL = "recall_score"
    F1 = "f1_score"
    ROC_AUC = "roc_auc_score"
    AVERAGE_PRECISION = "average_precision_score"
    LOG_LOSS = "log_loss"
    BRIER = "brier_score_loss"
    MATTHEWS = "matthews_corrcoef"
    R2 = "r2_score"
    MSE = "mean_squared_error"
    RMSE = "root_mean_squared_error"
    MAE = "mean_absolute_error"


class Metric(Aggregate, frozen=True, eq=False):
    """A score of predictions against the truth, over the rows of `over`. Output class: evaluation.

    `predicted` is one column, or one per class for probabilities of several classes. `options` are the keyword
    arguments of scikit-learn's function of that name, such as ("average", "macro").
    """

    over: Relation
    score: Score
    truth: Expression
    predicted: tuple[Expression, ...]
    options: tuple[tuple[str, Constant], ...] = ()

    def _check(self) -> None:
        value_field(self.truth, self.over.fields)
        if not self.predicted:
            raise PlanError(f"{self.score.value} needs predictions.")
        for predicted in self.predicted:
            value_field(predicted, self.over.fields)
        if {name for name, _ in self.options} - OPTIONS:
            raise PlanError(f"{self.score.value} takes only the options {', '.join(sorted(OPTIONS))} here.")


OPTIONS = frozenset({"average", "pos_label", "multi_class", "zero_division", "normalize", "squared", "adjusted"})

OUTPUT_CLASS |= {
    Correlation: OutputClass.SHAPE,
    Metric: OutputClass.EVALUATION,
    Fit: OutputClass.MODEL,
    Inspect: OutputClass.MODEL,
}
