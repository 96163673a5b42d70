"""The hooks catch every call that is given rows of the room, and change none that is not."""

import functools
import inspect
import subprocess
import sys
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn.inspection
import sklearn.metrics
import sklearn.model_selection
from sklearn import datasets
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestClassifier, StackingClassifier
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, ShuffleSplit, cross_val_score, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.utils import all_estimators

from cleanroom_kernel.disclosure.model_rules import FAMILY
from cleanroom_kernel.interpreter import connection
from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.estimators import ModelError
from cleanroom_kernel.interpreter.handles import Handle
from cleanroom_kernel.plan.models import Fit
from cleanroom_kernel.plan.nodes import PlanError
from tests.unit.interpreter.learn_fakes import FakeConnection, points


@pytest.fixture
def fake(permissive_world):
    made = FakeConnection()
    connection.use(made)
    yield made
    connection.use(permissive_world.room._connection)


# -- what is caught ---------------------------------------------------------------------------------------------------
def constructible():
    """Every estimator of scikit-learn, with a logistic regression where it needs one to work on."""
    made = {}
    for name, kind in all_estimators():
        required = [
            parameter
            for parameter in list(inspect.signature(kind.__init__).parameters.values())[1:]
            if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ]
        given = {
            "estimators": [("one", LogisticRegression())],
            "transformers": [("one", StandardScaler(), ["a"])],
            "transformer_list": [("one", StandardScaler())],
            "steps": [("one", LogisticRegression())],
            "param_grid": {},
            "param_distributions": {},
        }
        arguments = {parameter.name: given.get(parameter.name, LogisticRegression()) for parameter in required}
        try:
            made[name] = kind(**arguments)
        except TypeError:
            continue
    return made


ESTIMATORS = constructible()
APPLIED = ("predict", "predict_proba", "decision_function", "transform", "score", "fit_transform", "fit_predict")


def test_nearly_all_estimators_are_tried():
    assert len(ESTIMATORS) >= 0.98 * len(all_estimators())


@pytest.mark.parametrize("name", ESTIMATORS)
def test_no_method_of_an_estimator_gets_to_see_a_handle(name, fake):
    """Each goes to the vault, or is refused in our own words; none of scikit-learn's code tries to read rows."""
    model = ESTIMATORS[name]
    X, y = points()
    for method in ("fit", *APPLIED):
        if not hasattr(model, method):
            continue
        before = len(fake.asked)
        arguments = (X, y) if method in ("fit", "score", "fit_transform") else (X,)
        if method != "fit" and "y" not in inspect.signature(getattr(model, method)).parameters:
            arguments = (X,)
        found = outcome(functools.partial(getattr(model, method), *arguments))
        if isinstance(found, (CleanRoomError, PlanError)):
            assert "cannot become an array" not in str(found), method
        elif isinstance(found, Exception):
            assert len(fake.asked) == before, "what scikit-learn says of the twin comes before any question"
        elif method == "fit":
            assert found is model
            assert isinstance(fake.asked[-1], Fit)
        elif method == "score":
            assert found == 0.75
        else:
            assert isinstance(found, Handle), method


KNOWN = (CleanRoomError, PlanError, ValueError, TypeError, AttributeError, sklearn.exceptions.NotFittedError)


def outcome(call):
    try:
        return call()
    except KNOWN as error:
        return error


@pytest.mark.parametrize("name", sorted(FAMILY))
def test_every_estimator_of_the_rule_book_is_fitted_and_applied_in_the_vault(name, fake):
    """Also where the twin's four rows do not do for a fit."""
    model = ESTIMATORS[name.rpartition(".")[2]]
    X, y = points()
    if has_no_task(model):
        with pytest.raises(ModelError, match="neither predicts nor transforms"):
            model.fit(X, y)
        return
    assert model.fit(X, y) is model
    assert fake.asked[-1].estimator.name == name
    if not hasattr(model, "predict") and not hasattr(model, "transform"):
        assert name == "sklearn.neighbors.LocalOutlierFactor", "which looks at its own rows alone"
        return
    applied = outcome(lambda: model.predict(X) if hasattr(model, "predict") else model.transform(X))
    if name.rpartition(".")[2] in SIZED_BY_DATA:
        assert "Pipeline" in applied.suggestion
    else:
        assert isinstance(applied, Handle)


SIZED_BY_DATA = {"MissingIndicator"}  # how many columns they give depends on the rows


def has_no_task(model):
    return sklearn.utils.get_tags(model).estimator_type == "density_estimator"


@pytest.mark.parametrize("module", [sklearn.metrics, sklearn.model_selection, sklearn.inspection])
def test_every_function_that_takes_data_is_caught(module):
    names = [name for name in module.__all__ if "Halving" not in name and inspect.isfunction(getattr(module, name))]
    missed = {name for name in names if not hasattr(getattr(module, name), "_clean_room")}
    assert missed <= {"get_scorer_names", "check_cv"}, "they take no rows"


@pytest.mark.parametrize("name", ["permutation_importance", "silhouette_score", "cross_val_predict"])
def test_a_function_that_is_not_available_says_what_is(name, fake):
    X, y = points()
    function = getattr(sklearn.metrics, name, None) or getattr(sklearn.inspection, name, None)
    function = function or getattr(sklearn.model_selection, name)
    arguments = (X, y) if name == "silhouette_score" else (LogisticRegression(), X, y)
    with pytest.raises(CleanRoomError, match="not available") as refused:
        function(*arguments)
    assert refused.value.suggestion
    assert fake.asked == []


def test_a_class_of_ones_own_is_caught_as_well(fake):
    class Mine(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            return self

        def predict(self, X):
            return X

    assert isinstance(Mine().fit(*points()).predict(points()[0]), Handle)


# -- what is not ------------------------------------------------------------------------------------------------------
X, y = datasets.make_classification(200, 5, random_state=0)
TABLE = pd.DataFrame(X, columns=list("abcde")).assign(kind=np.where(X[:, 0] > 0, "p", "q"))


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(),
        make_pipeline(StandardScaler(), SelectKBest(k=2), LogisticRegression()),
        RandomForestClassifier(5, random_state=0),
        GaussianNB(),
        SVC(),
        GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=3),
        StackingClassifier([("nb", GaussianNB())], cv=3),
        LinearRegression(),
        HistGradientBoostingRegressor(max_iter=5),
    ],
    ids=lambda model: type(model).__name__,
)
def test_arrays_are_fitted_and_predicted_as_ever(model):
    """The same numbers as in a process without hooks."""
    model.fit(X, y)
    expected = unhooked(model)
    assert model.predict(X).tolist() == expected["predicted"]
    assert model.score(X, y) == expected["score"]
    assert isinstance(model.predict(X), np.ndarray)


def unhooked(model):
    """The same estimator's methods as scikit-learn wrote them, below every wrapper of ours."""
    fresh = clone(model)
    original(fresh, "fit")(fresh, X, y)
    return {
        "predicted": original(fresh, "predict")(fresh, X).tolist(),
        "score": original(fresh, "score")(fresh, X, y),
    }


def original(model, name):
    found = inspect.getattr_static(type(model), name)
    found = getattr(found, "fn", found)
    assert found._clean_room
    return found.__wrapped__


def test_transformers_keep_their_containers():
    assert isinstance(StandardScaler().fit_transform(X), np.ndarray)
    columns = ColumnTransformer(
        [("num", StandardScaler(), ["a"]), ("cat", OneHotEncoder(sparse_output=False), ["kind"])]
    )
    table = columns.set_output(transform="pandas").fit_transform(TABLE)
    assert list(table.columns) == ["num__a", "cat__kind_p", "cat__kind_q"]
    union = FeatureUnion([("pca", PCA(2)), ("scaler", StandardScaler())])
    assert union.fit_transform(X).shape == (200, 7)


def test_functions_and_splitters_are_scikit_learns_own():
    parts = train_test_split(X, y, random_state=0)
    assert [len(part) for part in parts] == [150, 50, 150, 50]
    assert [len(test) for _, test in KFold(4).split(X)] == [50] * 4
    assert len(next(ShuffleSplit(1, test_size=0.1).split(X))[1]) == 20
    assert len(cross_val_score(LogisticRegression(), X, y, cv=3)) == 3
    assert sklearn.metrics.accuracy_score([1, 0], [1, 1]) == 0.5


def test_errors_signatures_and_documentation_stay():
    with pytest.raises(sklearn.exceptions.NotFittedError):
        LogisticRegression().predict(X)
    with pytest.raises(AttributeError):
        SVC().predict_proba  # noqa: B018
    assert list(inspect.signature(LogisticRegression.fit).parameters) == ["self", "X", "y", "sample_weight"]
    assert "Fit the model" in LogisticRegression.fit.__doc__
    assert "stratify" in inspect.signature(train_test_split).parameters


def test_a_fitted_model_has_no_trace_of_ours():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = KMeans(2, random_state=0, n_init=1).fit(X)
    assert type(model) is KMeans
    assert not [name for name in vars(model) if "clean" in name]


def test_the_hooks_do_not_load_scikit_learn():
    """They wait for it, and the parts that they lead to are loaded with the first handle."""
    code = (
        "import sys\n"
        "from cleanroom_kernel.interpreter import startup, hooks_sklearn\n"
        "hooks_sklearn.prepare()\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'sklearn']\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "from sklearn.model_selection import train_test_split, ShuffleSplit\n"
        "from sklearn.metrics import RocCurveDisplay, f1_score\n"
        "for hooked in (LogisticRegression.fit, LogisticRegression.score, train_test_split, f1_score,\n"
        "               ShuffleSplit.split, RocCurveDisplay.from_predictions):\n"
        "    assert hooked._clean_room, hooked\n"
        "from sklearn.metrics import get_scorer\n"
        "assert get_scorer('f1')._score_func._clean_room\n"
        "assert 'cleanroom_kernel.interpreter.learn' not in sys.modules\n"
        "import numpy as np\n"
        "LogisticRegression().fit(np.eye(4), [0, 1, 0, 1]).predict(np.eye(4))\n"
        "assert 'cleanroom_kernel.interpreter.learn' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
