"""Small helpers of scikit-learn on columns of the room: labels, class weights, shuffles."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import LabelBinarizer, LabelEncoder
from sklearn.utils import resample, shuffle
from sklearn.utils.class_weight import compute_class_weight

from cleanroom_kernel.interpreter.estimators import ModelError


@pytest.fixture
def df(clinic):
    return clinic.room["stays"]


@pytest.fixture
def table(clinic):
    return clinic.tables["stays"]


def test_labels_are_encoded_here_for_they_are_public(df, table):
    ours, theirs = LabelEncoder(), LabelEncoder()
    codes, known = ours.fit_transform(df.ward), theirs.fit_transform(table.ward)
    assert codes.mean() == known.mean()
    assert list(ours.classes_) == list(theirs.classes_)
    assert list(ours.transform(["south"])) == [1]
    assert dict(ours.inverse_transform(codes).value_counts()) == dict(table.ward.value_counts())
    assert ours.transform(df.ward).max() == 2


def test_undeclared_labels_are_those_that_were_released(df, table):
    code = np.where(df.age > 60, "old", "young")
    assert list(LabelEncoder().fit(code).classes_) == ["old", "young"]


def test_encoded_labels_train_a_model(df, table):
    ours = LogisticRegression().fit(df[["age"]], LabelEncoder().fit_transform(df.outcome))
    theirs = LogisticRegression().fit(table[["age"]], LabelEncoder().fit_transform(table.outcome))
    np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-5)


@pytest.mark.parametrize("target", ["outcome", "ill"])
def test_class_weights_are_scikit_learns_own_of_released_counts(df, table, target):
    classes = np.unique(table[target])
    np.testing.assert_allclose(
        compute_class_weight("balanced", classes=classes, y=df[target]),
        compute_class_weight("balanced", classes=classes, y=table[target]),
    )


def test_a_shuffle_keeps_rows_together_and_drawing_twice_is_refused(df):
    X, y = shuffle(df[["age"]], df.ill, random_state=0)
    assert LogisticRegression().fit(X, y).score(X, y) > 0.5
    with pytest.raises(ModelError, match="drawn twice"):
        resample(df)
    with pytest.raises(ModelError, match="drawn twice"):
        shuffle(df, n_samples=10)


@pytest.mark.parametrize("model", [LabelBinarizer(), CountVectorizer()], ids=str)
def test_what_takes_no_table_of_features_is_refused(df, model):
    with pytest.raises(ModelError, match="table of features"):
        model.fit(df.ward)
