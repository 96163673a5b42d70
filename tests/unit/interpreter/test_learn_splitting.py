"""Splits of handles are made in the vault; they are those of scikit-learn where seeds are not keyed."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneOut,
    RepeatedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    cross_val_score,
    cross_validate,
    train_test_split,
)

from cleanroom_kernel.interpreter import splitting
from cleanroom_kernel.interpreter.errors import DifferentRows, HandleError
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.plan.relations import Split

NUMBERS = ["age", "los"]


@pytest.fixture
def df(clinic):
    return clinic.room["stays"]


@pytest.fixture
def table(clinic):
    return clinic.tables["stays"]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"test_size": 0.4},
        {"test_size": 100},
        {"train_size": 0.6},
        {"train_size": 0.75, "test_size": 0.25},
        {"shuffle": False},
    ],
    ids=str,
)
def test_both_sides_hold_the_rows_that_scikit_learn_puts_there(df, table, options):
    ours = train_test_split(df[NUMBERS], df.cost, random_state=3, **options)
    theirs = train_test_split(table[NUMBERS], table.cost, random_state=3, **options)
    assert [type(part) for part in ours] == [Frame, Frame, Column, Column]
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) == len(other)
        assert np.allclose(one.mean(), other.mean())


def test_a_split_can_be_stratified(df, table):
    ours = train_test_split(df, stratify=df.outcome, random_state=0)
    theirs = train_test_split(table, stratify=table.outcome, random_state=0)
    for one, other in zip(ours, theirs, strict=True):
        assert dict(one.outcome.value_counts()) == dict(other.outcome.value_counts())
        assert one.age.mean() == pytest.approx(other.age.mean())


def test_a_side_can_be_split_again(df, table):
    train, _ = train_test_split(df, random_state=0)
    known, _ = train_test_split(table, random_state=0)
    ours, theirs = train_test_split(train, random_state=1), train_test_split(known, random_state=1)
    assert [part.age.mean() for part in ours] == pytest.approx([part.age.mean() for part in theirs])


def test_columns_made_before_and_after_a_split_stay_together(df, table):
    tables = []
    for rows in (df, table):
        rows = rows.copy()
        rows["old"] = rows.age > 70
        X_train, X_test, y_train, _ = train_test_split(rows[NUMBERS], rows.old, random_state=0)
        X_train = X_train.assign(double=X_train.age * 2)
        assert X_train.double[y_train].min() > 140
        tables.append((X_train[y_train].los.mean(), X_test.los.mean()))
    assert tables[0] == pytest.approx(tables[1])


def test_without_a_seed_numpys_global_generator_decides(df):
    np.random.seed(5)
    one = train_test_split(df)[0].age.mean()
    np.random.seed(5)
    assert train_test_split(df)[0].age.mean() == one
    assert train_test_split(df)[0].age.mean() != one


def test_twins_are_split_alike_and_never_empty(df):
    X_train, X_test, y_train, y_test = train_test_split(df[NUMBERS], df.ill, test_size=0.01, random_state=0)
    assert list(X_train._twin.index) == list(y_train._twin.index)
    assert list(X_test._twin.index) == list(y_test._twin.index)
    assert len(X_test._twin)
    assert not set(X_train._twin.index) & set(X_test._twin.index)


def test_rows_that_do_not_belong_together_are_not_split_together(df):
    with pytest.raises(DifferentRows):
        train_test_split(df[df.age > 50], df.ill)
    with pytest.raises(HandleError, match="one value per row"):
        train_test_split(df, [1, 2, 3])


def test_a_part_of_the_rows_is_a_sample_and_no_split(df):
    with pytest.raises(ModelError, match="all rows"):
        train_test_split(df, test_size=0.1, train_size=0.1)
    with pytest.raises(ModelError, match="not known exactly"):
        train_test_split(df, train_size=100)


# -- splitters --------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "splitter", [ShuffleSplit(3, random_state=0), StratifiedShuffleSplit(3, random_state=0)], ids=str
)
def test_shuffled_splitters_yield_rows_that_iloc_takes(df, table, splitter):
    sizes = []
    for train, test in splitter.split(df[NUMBERS], df.ill):
        sizes.append((len(df.iloc[train]), len(df.ill.iloc[test])))
        model = LogisticRegression().fit(df[NUMBERS].iloc[train], df.readmitted.iloc[train])
        assert 0.5 < model.score(df[NUMBERS].iloc[test], df.readmitted.iloc[test]) < 1
    assert sizes == [(len(train), len(test)) for train, test in splitter.split(table[NUMBERS], table.ill)]


def test_groups_are_patients(df):
    train, _ = next(GroupShuffleSplit(1, random_state=0).split(df, groups=df.pid))
    assert isinstance(train._rows, Split)
    assert train._rows.by_unit
    with pytest.raises(ModelError, match="by patient"):
        GroupShuffleSplit(1).split(df, groups=df.ward)


FOLDS = [
    KFold(3),
    KFold(4, shuffle=True, random_state=1),
    StratifiedKFold(3, shuffle=True, random_state=2),
    GroupKFold(3),
    StratifiedGroupKFold(3, shuffle=True, random_state=0),
]


@pytest.mark.parametrize("splitter", FOLDS, ids=str)
def test_folds_hold_the_rows_that_scikit_learn_puts_there(df, table, splitter):
    ours = splitter.split(df[NUMBERS], df.readmitted, df.pid)
    theirs = list(splitter.split(table[NUMBERS], table.readmitted, table.pid))
    sums = [[df.cost.iloc[rows].sum() for rows in sides] for sides in ours]
    assert np.allclose(sums, [[table.cost.iloc[rows].sum() for rows in sides] for sides in theirs])
    assert np.allclose(np.sum([test for _, test in sums]), table.cost.sum())  # every row is in one fold


def test_folds_are_gone_through_as_with_pandas(df):
    for train, test in KFold(3).split(df[NUMBERS]):
        model = LogisticRegression().fit(df[NUMBERS].iloc[train], df.readmitted.iloc[train])
        assert 0.5 < model.score(df[NUMBERS].iloc[test], df.readmitted.iloc[test]) < 1


def test_repeated_folds_are_other_folds_each_time(df):
    firsts = [df.cost.iloc[test].sum() for _, test in RepeatedKFold(n_splits=2, n_repeats=3, random_state=0).split(df)]
    assert len(set(firsts)) == 6
    assert np.allclose(np.add(firsts[::2], firsts[1::2]), df.cost.sum())


@pytest.mark.parametrize("splitter", [LeaveOneOut(), TimeSeriesSplit(3)], ids=str)
def test_splits_by_place_are_refused_with_those_that_there_are(df, splitter):
    with pytest.raises(ModelError, match="by their place") as refused:
        splitter.split(df[NUMBERS], df.ill)
    assert "GroupKFold" in refused.value.suggestion


def test_a_patient_on_both_sides_is_warned_of_once(df, capsys):
    splitting._warned.clear()
    train_test_split(df)
    train_test_split(df)
    list(KFold(3).split(df))
    assert capsys.readouterr().out.count("stand on both sides") == 1
    splitting._warned.clear()
    list(GroupKFold(3).split(df, groups=df.pid))
    train_test_split(df.groupby("pid").age.max())
    assert "both sides" not in capsys.readouterr().out


def test_cross_validation_takes_shuffled_splits(df):
    splits = ShuffleSplit(3, test_size=0.2, random_state=0)
    scores = cross_val_score(LogisticRegression(), df[NUMBERS], df.readmitted, cv=splits, scoring="roc_auc")
    assert scores.shape == (3,)
    assert ((scores > 0.7) & (scores < 1)).all()
    found = cross_validate(
        LogisticRegression(),
        df[NUMBERS],
        df.readmitted,
        cv=splits,
        scoring=["roc_auc", "accuracy"],
        return_train_score=True,
    )
    assert list(found["test_roc_auc"]) == list(scores)
    assert {"train_accuracy", "test_accuracy", "fit_time", "score_time"} <= set(found)


@pytest.mark.parametrize("cv", [3, KFold(4, shuffle=True, random_state=0), GroupKFold(3)], ids=str)
def test_cross_validation_is_scikit_learns_own(df, table, cv):
    model = LogisticRegression(max_iter=1000, tol=1e-10)
    ours = cross_val_score(model, df[NUMBERS], df.readmitted, groups=df.pid, cv=cv, scoring="roc_auc")
    theirs = cross_val_score(model, table[NUMBERS], table.readmitted, groups=table.pid, cv=cv, scoring="roc_auc")
    assert np.allclose(ours, theirs, atol=1e-6)


def test_folds_that_are_no_splitter_are_refused(df):
    with pytest.raises(ModelError, match="number or one of"):
        cross_val_score(LogisticRegression(), df[NUMBERS], df.readmitted, cv=[([0], [1])])


def test_a_search_keeps_patients_together(df, table):
    grid = {"C": [0.01, 1.0]}
    ours = GridSearchCV(LogisticRegression(), grid, cv=GroupKFold(3), scoring="roc_auc")
    theirs = GridSearchCV(LogisticRegression(), grid, cv=GroupKFold(3), scoring="roc_auc")
    ours.fit(df[NUMBERS], df.readmitted, groups=df.pid)
    theirs.fit(table[NUMBERS], table.readmitted, groups=table.pid)
    assert ours.best_score_ == pytest.approx(theirs.best_score_, abs=1e-3)  # shown in steps of some patients
    with pytest.raises(ModelError, match="by patient"):
        ours.fit(df[NUMBERS], df.readmitted, groups=df.ward)
