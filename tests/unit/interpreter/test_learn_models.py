"""Models of handles are compared with scikit-learn's own on the same rows, through the real vault and its gate."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import check_is_fitted

from cleanroom_kernel.interpreter.errors import CleanRoomRefusal, DifferentRows, HandleError
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Column, Frame
from cleanroom_kernel.plan.models import Fit, Inspect

NUMBERS = ["age", "los"]
LABELS = ["sex", "ward"]


def both(world):
    """The handle and the table that it stands for."""
    return world.room["stays"], world.tables["stays"]


def asked(world, kind=object):
    return [question for question in world.vault.questions if isinstance(question, kind)]


def close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float), rtol=1e-6, atol=1e-9)


# -- fit and predict --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
        DecisionTreeClassifier(max_depth=3),
        RandomForestClassifier(10, random_state=0),
        VotingClassifier([("lr", LogisticRegression()), ("dt", DecisionTreeClassifier(max_depth=2))], voting="soft"),
        StackingClassifier([("dt", DecisionTreeClassifier(max_depth=2))], cv=3),
        OneVsRestClassifier(LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
@pytest.mark.parametrize("target", ["readmitted", "ill", "outcome"])
def test_a_classifier_in_the_vault_is_the_one_that_scikit_learn_fits(clinic, model, target):
    df, table = both(clinic)
    names = NUMBERS
    ours = clone(model).fit(df[names], df[target])
    theirs = clone(model).fit(table[names], table[target])
    assert ours.score(df[names], df[target]) == pytest.approx(theirs.score(table[names], table[target]))
    assert list(ours.classes_) == list(theirs.classes_)
    assert ours.n_features_in_ == 2
    means = ours.predict_proba(df[names]).mean()
    close(means, theirs.predict_proba(table[names]).mean(axis=0))
    if target != "outcome":
        assert ours.predict(df[names]).mean() == pytest.approx(theirs.predict(table[names]).mean())


def test_a_regression_has_its_coefficients_and_its_residuals(clinic):
    df, table = both(clinic)
    ours = LinearRegression().fit(df[NUMBERS], df.cost)
    theirs = LinearRegression().fit(table[NUMBERS], table.cost)
    close(ours.coef_, theirs.coef_)
    assert isinstance(ours.intercept_, float)
    assert ours.intercept_ == pytest.approx(theirs.intercept_)
    residuals = df.cost - ours.predict(df[NUMBERS])
    assert residuals.std() == pytest.approx((table.cost - theirs.predict(table[NUMBERS])).std())


def test_predictions_are_columns_beside_the_others(clinic):
    df, table = both(clinic)
    df = df[df.age > 40].copy()
    table = table[table.age > 40].copy()
    ours, theirs = (LogisticRegression().fit(t[NUMBERS], t.readmitted) for t in (df, table))
    df["risk"], table["risk"] = ours.predict_proba(df[NUMBERS])[:, 1], theirs.predict_proba(table[NUMBERS])[:, 1]
    close(df.groupby("ward").risk.mean(), table.groupby("ward").risk.mean())
    high, known = df[df.risk > 0.5], table[table.risk > 0.5]
    assert len(high) == len(known)
    assert ours.predict(high[NUMBERS]).mean() == theirs.predict(known[NUMBERS]).mean()


def test_a_decision_function_of_two_classes_is_one_column_and_of_three_a_matrix(clinic):
    df, _ = both(clinic)
    two = LogisticRegression().fit(df[NUMBERS], df.readmitted).decision_function(df[NUMBERS])
    three = LogisticRegression().fit(df[NUMBERS], df.outcome).decision_function(df[NUMBERS])
    assert isinstance(two, Column)
    assert isinstance(three, Frame)
    assert three._twin.shape[1] == 3


def test_a_matrix_has_columns_and_no_rows(clinic):
    df, _ = both(clinic)
    matrix = LogisticRegression().fit(df[NUMBERS], df.readmitted).predict_proba(df[NUMBERS])
    assert isinstance(matrix[:, 1], Column)
    assert matrix.shape == (1_000, 2)
    with pytest.raises(HandleError, match="single row"):
        matrix[0]
    with pytest.raises(HandleError, match="gone through"):
        list(matrix)


def test_weights_are_part_of_a_fit(clinic):
    df, table = both(clinic)
    ours = LogisticRegression().fit(df[NUMBERS], df.readmitted, sample_weight=df.age)
    theirs = LogisticRegression().fit(table[NUMBERS], table.readmitted, sample_weight=table.age)
    assert ours.score(df[NUMBERS], df.readmitted) == theirs.score(table[NUMBERS], table.readmitted)
    pipe = make_pipeline(StandardScaler(), Ridge()).fit(df[NUMBERS], df.cost, ridge__sample_weight=df.age)
    plain = make_pipeline(StandardScaler(), Ridge()).fit(table[NUMBERS], table.cost, ridge__sample_weight=table.age)
    assert pipe.score(df[NUMBERS], df.cost) == pytest.approx(plain.score(table[NUMBERS], table.cost))


def test_clusters_are_labels_of_rows(clinic):
    df, table = both(clinic)
    ours = KMeans(3, random_state=0, n_init=1)
    labels = ours.fit_predict(df[NUMBERS])
    theirs = KMeans(3, random_state=0, n_init=1).fit(table[NUMBERS])
    assert sorted(labels.value_counts()) == sorted(np.bincount(theirs.labels_))
    close(ours.cluster_centers_, theirs.cluster_centers_)


# -- transformers -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("model", "names"),
    [
        (StandardScaler(), NUMBERS),
        (MinMaxScaler(), NUMBERS),
        (SimpleImputer(strategy="median"), ["tests", "age"]),
        (PolynomialFeatures(2), NUMBERS),
        (PCA(), NUMBERS),
        (PCA(0.5), NUMBERS),
        (OrdinalEncoder(), LABELS),
        (OneHotEncoder(sparse_output=False, drop="first"), LABELS),
        (make_pipeline(SimpleImputer(), StandardScaler()), ["tests", "age"]),
        (make_union(StandardScaler(), PCA(1)), NUMBERS),
        (ColumnTransformer([("n", StandardScaler(), ["los"]), ("p", "passthrough", [0])]), NUMBERS),
        (ColumnTransformer([("n", StandardScaler(), ["los"])], remainder="passthrough"), NUMBERS),
    ],
    ids=str,
)
def test_a_transformer_gives_the_columns_that_scikit_learn_gives(clinic, model, names):
    df, table = both(clinic)
    ours, theirs = clone(model), clone(model)
    found, expected = ours.fit_transform(df[names]), theirs.fit_transform(table[names])
    assert found._twin.shape[1] == expected.shape[1]
    close(np.abs(found).mean(), np.abs(expected).mean(axis=0))
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())


def test_set_output_gives_a_table_with_names(clinic):
    df, table = both(clinic)
    ours = StandardScaler().set_output(transform="pandas").fit_transform(df[NUMBERS])
    assert list(ours.columns) == NUMBERS
    assert ours.los.std() == pytest.approx(table.los.std(ddof=1) / table.los.std(ddof=0))


def test_a_scaled_matrix_becomes_a_table_and_trains_the_next_model(clinic):
    df, table = both(clinic)
    scaler, own = StandardScaler(), StandardScaler()
    scaled, matrix = scaler.fit_transform(df[NUMBERS]), own.fit_transform(table[NUMBERS])
    named = pd.DataFrame(scaled, columns=NUMBERS)
    assert named.age.mean() == pytest.approx(0, abs=1e-9)
    ours, theirs = LogisticRegression().fit(scaled, df.readmitted), LogisticRegression().fit(matrix, table.readmitted)
    close(ours.coef_, theirs.coef_)
    assert not hasattr(ours, "feature_names_in_")
    later = df[df.age > 50]
    assert ours.score(scaler.transform(later[NUMBERS]), later.readmitted) == pytest.approx(
        theirs.score(own.transform(table[table.age > 50][NUMBERS]), table[table.age > 50].readmitted)
    )


def test_a_selector_says_which_columns_it_keeps(clinic):
    df, table = both(clinic)
    names = ["age", "los", "ill"]
    ours = SelectKBest(k=2).fit(df[names], df.readmitted)
    theirs = SelectKBest(k=2).fit(table[names], table.readmitted)
    assert list(ours.get_support()) == list(theirs.get_support())
    assert list(ours.get_support(indices=True)) == list(theirs.get_support(indices=True))
    assert list(ours.get_feature_names_out()) == list(theirs.get_feature_names_out())


def test_columns_that_depend_on_the_data_need_a_pipeline(clinic):
    df, _ = both(clinic)
    with pytest.raises(ModelError, match="one Pipeline"):
        SimpleImputer(add_indicator=True).fit_transform(df[["tests"]])


def test_text_is_no_output_of_a_model(clinic):
    df, _ = both(clinic)
    with pytest.raises(ModelError, match="one Pipeline"):
        SimpleImputer(strategy="most_frequent").fit_transform(df[["ward"]])
    pipe = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(), LogisticRegression())
    assert pipe.fit(df[["ward"]], df.readmitted).score(df[["ward"]], df.readmitted) > 0.4


# -- attributes -------------------------------------------------------------------------------------------------------
def test_attributes_are_those_of_the_parts_and_are_asked_for_once(clinic):
    df, table = both(clinic)
    scaler, model = StandardScaler(), LogisticRegression()
    pipe = make_pipeline(scaler, model).fit(df[NUMBERS], df.readmitted)
    theirs = make_pipeline(StandardScaler(), LogisticRegression()).fit(table[NUMBERS], table.readmitted)
    close(pipe[-1].coef_, theirs[-1].coef_)
    before = len(asked(clinic))
    close(pipe.named_steps["logisticregression"].coef_, theirs[-1].coef_)
    close(model.coef_, theirs[-1].coef_)
    assert len(asked(clinic)) == before
    close(scaler.mean_, theirs[0].mean_)
    assert list(pipe.feature_names_in_) == NUMBERS


def test_parts_of_column_transformers_are_found_by_name(clinic):
    df, table = both(clinic)
    columns = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), make_column_selector(dtype_include="number")),
            ("labels", OneHotEncoder(handle_unknown="ignore"), LABELS),
        ]
    )
    names = [*NUMBERS, "tests", *LABELS]
    ours = make_pipeline(columns, LogisticRegression()).fit(df[names], df.readmitted)
    theirs = make_pipeline(clone(columns), LogisticRegression()).fit(table[names], table.readmitted)
    close(ours[-1].coef_, theirs[-1].coef_)
    close(
        ours[0].named_transformers_["numbers"][-1].mean_,
        theirs[0].named_transformers_["numbers"][-1].mean_,
    )
    labels = ours[0].named_transformers_["labels"].categories_
    assert [list(found) for found in labels] == [["F", "M"], ["north", "south", "west"]]
    assert list(ours[:-1].get_feature_names_out()) == list(theirs[:-1].get_feature_names_out())


def test_parts_of_unions_and_votes_are_found_too(clinic):
    df, table = both(clinic)
    vote = VotingClassifier([("lr", LogisticRegression()), ("dt", DecisionTreeClassifier(max_depth=2))])
    ours, theirs = clone(vote).fit(df[NUMBERS], df.readmitted), clone(vote).fit(table[NUMBERS], table.readmitted)
    close(ours.named_estimators_["lr"].coef_, theirs.named_estimators_["lr"].coef_)
    close(ours.estimators_[0].intercept_, theirs.estimators_[0].intercept_)
    union = FeatureUnion([("scaler", StandardScaler()), ("pca", PCA(1))]).fit(df[NUMBERS])
    close(union["scaler"].mean_, table[NUMBERS].mean())


def test_a_search_has_its_best_candidate_and_its_scores(clinic):
    df, table = both(clinic)
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    grid = {"logisticregression__C": np.logspace(-3, 1, 3)}
    ours = GridSearchCV(pipe, grid, cv=3, scoring="roc_auc").fit(df[NUMBERS], df.readmitted)
    theirs = GridSearchCV(pipe, grid, cv=3, scoring="roc_auc").fit(table[NUMBERS], table.readmitted)
    assert ours.best_params_ == theirs.best_params_
    assert ours.best_score_ == pytest.approx(theirs.best_score_)
    close(ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"])
    assert list(ours.cv_results_["rank_test_score"]) == list(theirs.cv_results_["rank_test_score"])
    close(ours.best_estimator_[-1].coef_, theirs.best_estimator_[-1].coef_)
    assert ours.score(df[NUMBERS], df.readmitted) == pytest.approx(theirs.score(table[NUMBERS], table.readmitted))
    best = ours.best_estimator_.predict(df[NUMBERS])
    assert best.mean() == theirs.best_estimator_.predict(table[NUMBERS]).mean()


def test_an_attribute_that_a_model_does_not_have_is_no_question(clinic):
    df, _ = both(clinic)
    model = LogisticRegression().fit(df[NUMBERS], df.readmitted)
    before = len(asked(clinic))
    assert not hasattr(model, "feature_importances_")
    assert getattr(model, "tree_", None) is None
    assert len(asked(clinic)) == before


def test_an_attribute_that_is_not_shown_is_missing_and_says_so(clinic):
    df, _ = both(clinic)
    model = KMeans(2, n_init=1).fit(df[NUMBERS])
    with pytest.raises(AttributeError, match="not shown"):
        model.labels_  # noqa: B018


def test_looking_at_a_model_asks_nothing(clinic):
    df, _ = both(clinic)
    pipe = make_pipeline(StandardScaler(), LogisticRegression())
    model = GridSearchCV(pipe, {"logisticregression__C": [1, 2]}, cv=3).fit(df[NUMBERS], df.readmitted)
    before = len(asked(clinic))
    assert "Fitted" in model._repr_html_()
    assert "<span>Fitted</span>" in pipe.fit(df[NUMBERS], df.readmitted)._repr_html_()
    check_is_fitted(model)
    check_is_fitted(pipe[-1])
    repr(model)
    assert "coef_" in dir(pipe[-1])
    assert hasattr(model, "predict_proba")
    assert not [question for question in asked(clinic)[before:] if isinstance(question, Inspect)]
    assert len(asked(clinic)) == before + 1, "the second fit alone"


# -- what a fitted model is -------------------------------------------------------------------------------------------
def test_it_is_the_experts_own_object_of_its_own_class(clinic):
    df, _ = both(clinic)
    model = LogisticRegression(C=0.5)
    assert model.fit(df[NUMBERS], df.readmitted) is model
    assert isinstance(model, LogisticRegression)
    assert type(model).__name__ == "LogisticRegression"
    assert repr(model) == "LogisticRegression(C=0.5)"
    assert model.get_params()["C"] == 0.5


def test_a_clone_is_an_ordinary_unfitted_estimator_and_a_copy_is_not(clinic):
    df, _ = both(clinic)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(df[NUMBERS], df.readmitted)
    cloned = clone(model)
    assert type(cloned[-1]) is LogisticRegression
    with pytest.raises(NotFittedError):
        check_is_fitted(cloned)
    assert copy.deepcopy(model).score(df[NUMBERS], df.readmitted) == model.score(df[NUMBERS], df.readmitted)


def test_what_an_expert_writes_onto_it_is_kept(clinic):
    df, _ = both(clinic)
    model = LogisticRegression().fit(df[NUMBERS], df.readmitted)
    model.threshold_ = 0.3
    assert model.threshold_ == 0.3


def test_it_can_be_fitted_again_to_rows_of_the_room_or_to_others(clinic):
    df, table = both(clinic)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(df[NUMBERS], df.readmitted)
    model.fit(table[NUMBERS], table.readmitted)
    assert type(model[-1]) is LogisticRegression
    assert model.predict(table[NUMBERS]).shape == (1_000,)
    with pytest.raises(ModelError, match="outside the room"):
        model.predict(df[NUMBERS])
    model.fit(df[NUMBERS], df.readmitted)
    assert isinstance(model.predict(df[NUMBERS]), Column)


def test_other_data_needs_a_release(clinic):
    df, table = both(clinic)
    model = LogisticRegression().fit(df[NUMBERS], df.readmitted)
    for call in (model.predict, model.predict_proba, model.decision_function):
        with pytest.raises(ModelError, match=r"room\.release"):
            call(table[NUMBERS])


def test_a_part_of_a_model_is_not_applied_alone(clinic):
    df, _ = both(clinic)
    pipe = make_pipeline(StandardScaler(), LogisticRegression()).fit(df[NUMBERS], df.readmitted)
    with pytest.raises(ModelError, match="not applied alone"):
        pipe[0].transform(df[NUMBERS])


def test_it_cannot_be_pickled(clinic):
    df, _ = both(clinic)
    with pytest.raises(HandleError, match=r"room\.release"):
        LogisticRegression().fit(df[NUMBERS], df.readmitted).__reduce_ex__(4)


# -- policy -----------------------------------------------------------------------------------------------------------
def test_what_cannot_be_released_can_still_be_scored_on_rows_that_were_held_out(guarded_clinic):
    df, _ = both(guarded_clinic)
    X_train, X_test, y_train, y_test = train_test_split(df[NUMBERS], df.readmitted, random_state=0)
    model = GradientBoostingClassifier(n_estimators=5).fit(X_train, y_train)
    assert 0.6 < model.score(X_test, y_test) < 1
    with pytest.raises(CleanRoomRefusal, match="cannot be released"):
        model.score(df[NUMBERS], df.readmitted)


def test_the_note_names_what_to_change(guarded_clinic, capsys):
    df, _ = both(guarded_clinic)
    MinMaxScaler().fit(df[NUMBERS])
    assert "not released: MinMaxScaler keeps single patients' values" in capsys.readouterr().out


def test_hidden_coefficients_are_missing_and_said_to_be(guarded_clinic, capsys):
    df, _ = both(guarded_clinic)
    df = df.assign(rare=(df.age > 93) & (df.los > 15))
    model = LogisticRegression().fit(df[["age", "los", "rare"]], df.readmitted)
    assert capsys.readouterr().out == ""
    assert np.isnan(model.coef_).tolist() == [[False, False, True]]
    assert "1 of 3 numbers of coef_ are hidden" in capsys.readouterr().out


def test_would_release_says_what_a_fit_will_be_judged_by_and_asks_nothing(guarded_clinic):
    df, _ = both(guarded_clinic)
    before = len(asked(guarded_clinic, Fit))
    found = guarded_clinic.room.would_release(
        lambda: LogisticRegression().fit(df[["age"]], df.ill).score(df[["age"]], df.ill)
    )
    assert set(found.asked) == {"question 1", "question 2"}
    assert len(asked(guarded_clinic, Fit)) == before


def test_columns_of_different_rows_do_not_make_a_fit(clinic):
    df, _ = both(clinic)
    with pytest.raises(DifferentRows):
        LogisticRegression().fit(df[df.age > 50][NUMBERS], df.readmitted)
