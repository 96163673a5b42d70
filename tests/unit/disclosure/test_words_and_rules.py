"""Words: titles name schema and code alone. Rules: the book is whole, and says the policy's own numbers."""

import importlib

import pytest
from support.rooms import call, col, eq, isin, lit, mean, summary, where

from cleanroom_kernel.disclosure import kinds, policy, rules
from cleanroom_kernel.disclosure.candidate import Kind
from cleanroom_kernel.disclosure.policy import PRESETS, Policy, PolicyError, PolicySnapshot
from cleanroom_kernel.disclosure.rules import BOOK, explain, foresee, sentence
from cleanroom_kernel.disclosure.words import band, describe, expression
from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Cast, Cut, Field, Literal, Named, Recode
from cleanroom_kernel.plan.models import Estimator, Fit, Inspect, Task
from cleanroom_kernel.plan.relations import Concat, Join, Sort, Table, Take
from cleanroom_kernel.plan.schema import Column, DType, Role, TableSchema

VISITS = Table(
    TableSchema(
        "visits",
        (
            Column("id", DType.INTEGER, Role.UNIT),
            Column("cost", DType.FLOAT),
            Column("days", DType.INTEGER),
            Column("bit", DType.INTEGER, categories=(0, 1)),
            Column("ill", DType.BOOLEAN),
            Column("ward", DType.STRING),
        ),
    )
)
WARDS = Table(TableSchema("wards", (Column("ward", DType.STRING), Column("beds", DType.INTEGER))))
COLUMNS = (Named("cost", col("cost")), Named("days", col("days")))
FIT = Fit(VISITS, Estimator("sklearn.linear_model.LogisticRegression"), Task.CLASSIFY, COLUMNS, col("ill"))
STANDARD = Policy().snapshot()


# -- words ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("aggregate", "words"),
    [
        (mean(VISITS, "cost"), "mean of cost — visits"),
        (mean(where(VISITS, eq("ward", "A")), "cost", by="ill"), "mean of cost by ill — visits, filtered"),
        (summary(VISITS, a.Size(), a.Units()), "number of rows, number of patients — visits"),
        (summary(VISITS, a.Quantile(col("cost"), 0.5)), "quantile 0.5 of cost — visits"),
        (summary(VISITS, a.Extreme(col("cost"), True)), "maximum of cost — visits"),
        (summary(VISITS, a.Extreme(col("cost"), False)), "minimum of cost — visits"),
        (summary(VISITS, a.Variance(col("cost"), root=True)), "standard deviation of cost — visits"),
        (summary(VISITS, a.Variance(col("cost"))), "variance of cost — visits"),
        (summary(VISITS, a.Distinct(col("ward"))), "number of distinct values of ward — visits"),
        (summary(VISITS, a.Count(col("cost"))), "count of cost — visits"),
        (a.Correlation(VISITS, COLUMNS), "correlation of cost, days — visits"),
        (a.Correlation(VISITS, COLUMNS, covariance=True), "covariance of cost, days — visits"),
        (a.Metric(VISITS, a.Score.ACCURACY, col("ill"), (col("bit"),)), "accuracy_score of ill — visits"),
        (FIT, "LogisticRegression fitted to cost, days for ill — visits"),
        (Inspect(FIT, "coef_", ("model",)), "model.coef_ of LogisticRegression fitted to cost, days for ill — visits"),
        (mean(Join(VISITS, WARDS, ("ward",), ("ward",)), "beds"), "mean of beds — visits, joined with wards"),
        (mean(Concat((VISITS, where(VISITS, col("ill")))), "cost"), "mean of cost — visits, stacked"),
        (mean(Take(Sort(VISITS, (col("cost"),), (True,)), 5), "cost"), "mean of cost — visits, first or last rows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_question_in_words(aggregate, words):
    assert describe(aggregate) == words


def test_a_fit_without_a_target_names_none():
    clusters = Fit(VISITS, Estimator("sklearn.cluster.KMeans"), Task.CLUSTER, COLUMNS)
    assert describe(clusters) == "KMeans fitted to cost, days — visits"


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (call("add", col("cost"), 2), "(cost + 2)"),
        (call("and", col("ill"), eq("ward", "A")), "(ill & (ward == 'A'))"),
        (call("where", col("ill"), 1, 0), "where(ill, 1, 0)"),
        (Cast(col("days"), DType.FLOAT), "days"),
        (isin("ward", ["A"]), "isin(ward)"),
        (Recode(col("days"), (1,), (2,), DType.INTEGER, True), "recode(days)"),
        (Cut(col("cost"), (0.0, 1.0), ("low",)), "cut(cost)"),
        (Literal(None, DType.FLOAT), "None"),
    ],
)
def test_an_expression_in_words(of, words):
    assert expression(of) == words


def test_titles_stay_short_however_long_the_code():
    long = col("cost")
    for _ in range(200):
        long = call("add", long, call("multiply", long, col("days")))
    assert len(expression(long)) <= 80
    many = summary(VISITS, *(a.Mean(call("add", col("cost"), step)) for step in range(50)))
    assert len(describe(many)) < 400
    assert "and 44 more" in describe(many)
    nested = VISITS
    for step in range(50):
        nested = Join(nested, WARDS, ("ward",), ("ward",), suffixes=("", f"_{step}"))
    assert len(describe(mean(nested, "cost"))) < 400


@pytest.mark.parametrize(
    ("units", "words"), [(3, "fewer than 10"), (10, "10-99"), (99, "10-99"), (12_345, "10,000-99,999")]
)
def test_bands_are_orders_of_magnitude(units, words):
    assert band(units) == words


# -- kinds ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("statistic", "kind"),
    [
        (a.Size(), Kind.COUNT),
        (a.Count(col("cost")), Kind.COUNT),
        (a.Units(), Kind.UNITS),
        (a.Distinct(col("ward")), Kind.DISTINCT),
        (a.Sum(lit(1)), Kind.COUNT),
        (a.Sum(col("ill")), Kind.SELECTED),
        (a.Sum(col("bit")), Kind.SELECTED),
        (a.Sum(call("where", col("ill"), 1, 0)), Kind.SELECTED),
        (a.Sum(Cast(col("ill"), DType.INTEGER)), Kind.SELECTED),
        (a.Sum(col("days")), Kind.SUM),
        (a.Sum(call("where", col("ill"), 1.0, 0.0)), Kind.SELECTED),
        (a.Mean(col("ill")), Kind.SHARE),
        (a.Mean(col("cost")), Kind.MEAN),
        (a.Variance(col("cost")), Kind.VARIANCE),
        (a.Variance(col("cost"), root=True), Kind.DEVIATION),
        (a.Quantile(col("cost"), 0.5), Kind.QUANTILE),
        (a.Extreme(col("cost"), True), Kind.EXTREME),
    ],
)
def test_kinds_follow_from_types_alone(statistic, kind):
    assert kinds.kind_of(statistic, VISITS) is kind


def test_bounds_of_zero_and_one_make_an_integer_binary():
    assert kinds.is_binary(Field(DType.INTEGER, lower=0, upper=1))
    assert not kinds.is_binary(Field(DType.INTEGER, lower=0, upper=2))
    assert not kinds.is_binary(Field(DType.INTEGER, categories=(0, 1, 2)))
    assert not kinds.is_binary(Field(DType.FLOAT, lower=0, upper=1))


# -- rules ------------------------------------------------------------------------------------------------------------
def test_every_sentence_can_be_said_under_every_preset():
    for preset in PRESETS:
        snapshot = Policy.from_settings({"preset": preset}).snapshot()
        for rule in BOOK:
            assert "{" not in sentence(rule, snapshot)


def test_sentences_say_the_policys_numbers():
    assert "At least 10 patients" in sentence("C1", STANDARD)
    assert "At least 25 patients" in sentence("C1", Policy.from_settings({"minimum_units": 25}).snapshot())
    assert "85%" in sentence("C2b", STANDARD)


@pytest.mark.parametrize("rule", BOOK.values(), ids=lambda rule: rule.id)
def test_a_rule_names_where_it_is_enforced(rule):
    """A module, or a function of one, that exists."""
    if rule.where == "disclosure.models":
        pytest.importorskip("cleanroom_kernel.disclosure.models")
    module, _, function = f"cleanroom_kernel.{rule.where}".rpartition(".")
    try:
        importlib.import_module(f"{module}.{function}")
    except ModuleNotFoundError:
        assert hasattr(importlib.import_module(module), function)


def test_the_policy_explains_itself_with_every_rule_and_setting():
    text = explain(STANDARD)
    assert all(f"{rule.id:<4} {rule.name}" in text for rule in BOOK.values())
    assert all(f"  {name} = " in text for name in PolicySnapshot.__struct_fields__)


@pytest.mark.parametrize(
    ("aggregate", "ids"),
    [
        (mean(VISITS, "cost"), {"C1", "C2a", "C2b", "C3", "C5", "C6", "C7"}),
        (summary(VISITS, a.Quantile(col("cost"), 0.5)), {"C1", "C4"}),
        (a.Correlation(VISITS, COLUMNS), {"C1b", "C2c"}),
        (a.Correlation(VISITS, COLUMNS, covariance=True), {"C1b"}),
        (a.Metric(VISITS, a.Score.ACCURACY, col("ill"), (col("bit"),)), {"C12", "C3b"}),
        (FIT, {"C10", "S10"}),
        (Inspect(FIT, "coef_"), {"C10"}),
    ],
)
def test_what_a_question_will_meet_is_told_without_a_look_at_the_data(aggregate, ids):
    told = {text.partition(":")[0] for text in foresee(aggregate, STANDARD)}
    assert ids <= told <= set(BOOK)


def test_what_will_be_refused_is_told_beforehand():
    extreme = summary(VISITS, a.Extreme(col("cost"), True))
    (told,) = foresee(extreme, STANDARD)
    assert told.startswith("This will be refused")
    assert len(foresee(extreme, Policy.from_settings({"endpoints": True}).snapshot())) > 1
    (public,) = foresee(summary(WARDS, a.Extreme(col("beds"), True)), STANDARD)
    assert "public" in public


# -- policy -----------------------------------------------------------------------------------------------------------
def test_a_preset_is_a_starting_point():
    made = Policy.from_settings({"preset": "strict", "count_base": 7}).snapshot()
    assert (made.preset, made.minimum_units, made.count_base) == ("strict", 20, 7)


@pytest.mark.parametrize("settings", [{"minimum": 3}, {"preset": "lax"}, {"count_base": 0}, {"jitter": "many"}])
def test_a_setting_that_cannot_be_is_an_error_in_words(settings):
    with pytest.raises(PolicyError):
        Policy.from_settings(settings)


def test_every_setting_is_a_trait_with_a_help_text():
    assert set(Policy.class_traits()) == set(PolicySnapshot.__struct_fields__)
    assert all(help_text for _, _, help_text in policy.settings(STANDARD))
    assert set().union(*PRESETS.values()) <= set(PolicySnapshot.__struct_fields__)


def test_policies_that_differ_have_different_fingerprints():
    prints = {policy.fingerprint(Policy.from_settings({"preset": preset}).snapshot()) for preset in PRESETS}
    assert len(prints) == len(PRESETS)


def test_rules_and_risks_are_told_by_class():
    assert rules.checks_of(a.OutputClass.FREQUENCY) >= {rules.Check.UNITS, rules.Check.VARIETY}
