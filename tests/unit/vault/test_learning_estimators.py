"""What may be fitted: classes of a closed list, with constants as parameters and keyed seeds."""

import importlib

import pytest
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import all_estimators
from support.learning import spec

from cleanroom_kernel.disclosure.model_rules import FAMILY, RELEASED, WHY_NOT, Family
from cleanroom_kernel.plan.models import Argument, Estimator, Plain, Task
from cleanroom_kernel.plan.nodes import Forbidden, PlanError
from cleanroom_kernel.vault.estimators import build, public_name
from cleanroom_kernel.vault.examining import _EXAMINERS
from cleanroom_kernel.vault.rebuild import _MAKERS
from cleanroom_kernel.vault.seeds import Seeds

UNKEYED, KEYED = Seeds(None), Seeds(b"k" * 32)


def built(model, task=Task.CLASSIFY, seeds=UNKEYED, cores=2):
    return build(spec(model), task, seeds, cores)


@pytest.mark.parametrize("name", FAMILY)
def test_every_class_of_the_list_is_there_under_its_name(name):
    module, _, kind = name.rpartition(".")
    found = getattr(importlib.import_module(module), kind)
    assert issubclass(found, BaseEstimator)
    assert public_name(found) == name


def test_families_are_examined_and_rebuilt_or_explained():
    """Every family either has the code that releases it, or the words why it is not released."""
    assert set(_EXAMINERS) == RELEASED - {Family.COMPOSITE}
    assert set(_MAKERS) == set(RELEASED)
    assert set(WHY_NOT) == set(Family) - RELEASED


@pytest.mark.parametrize(
    ("name", "kind"),
    [(name, kind) for name, kind in all_estimators() if public_name(kind) not in FAMILY],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_class_that_is_not_listed_is_not_built(name, kind):
    with pytest.raises(PlanError, match="cannot be fitted"):
        build(Estimator(public_name(kind)), Task.CLASSIFY, UNKEYED)


@pytest.mark.parametrize("name", ["os.system", "subprocess.Popen", "sklearn.pipeline.os", "builtins.eval", ""])
def test_other_names_are_not_looked_up(name):
    with pytest.raises(PlanError, match="cannot be fitted"):
        build(Estimator(name, (Argument("args", Plain("true")),)), Task.CLASSIFY, UNKEYED)


def test_scikit_learn_checks_the_parameters():
    with pytest.raises(PlanError, match="'C' parameter of LogisticRegression"):
        built(LogisticRegression(C=-1))
    with pytest.raises(PlanError, match="no such parameters"):
        build(
            Estimator("sklearn.linear_model.LogisticRegression", (Argument("nonsense", Plain(1)),)),
            Task.CLASSIFY,
            UNKEYED,
        )


def test_nested_parameters_are_checked_too():
    with pytest.raises(PlanError, match="'C' parameter of LogisticRegression"):
        built(make_pipeline(StandardScaler(), LogisticRegression(C=-1)))


@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression(), memory="/tmp/cache"),
        LogisticRegression(warm_start=True),
        RandomForestClassifier(oob_score=True),
        RidgeCV(store_cv_results=True),
        CalibratedClassifierCV(LogisticRegression(), cv="prefit"),
    ],
    ids=["memory", "warm_start", "oob_score", "store_cv_results", "prefit"],
)
def test_what_would_write_keep_or_store_rows_is_refused(model):
    """S8, S10, S11: no paths, no state between fits, no answer per row."""
    task = Task.REGRESS if isinstance(model, RidgeCV) else Task.CLASSIFY
    with pytest.raises(PlanError):
        built(model, task, KEYED)


def test_the_task_has_to_be_the_estimators():
    with pytest.raises(PlanError, match="is no regressor"):
        built(LogisticRegression(), Task.REGRESS)
    with pytest.raises(PlanError, match="is no transformer"):
        built(LogisticRegression(), Task.TRANSFORM)


def test_seeds_are_keyed_everywhere_and_the_same_each_time():
    """S9: reproducible, not predictable; a seed that was not given is fixed too."""
    first, second = (
        built(make_pipeline(StandardScaler(), RandomForestClassifier(random_state=42)), seeds=KEYED) for _ in "ab"
    )
    seed = first[-1].random_state
    assert seed == second[-1].random_state
    assert seed not in (None, 42)
    assert built(RandomForestClassifier(), seeds=KEYED).random_state not in (None, 0, 42)
    assert built(RandomForestClassifier(random_state=42)).random_state == 42


def test_folds_are_drawn_under_the_key():
    """M49: nobody chooses who is in a fold."""
    searched = built(GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=KFold(4)), seeds=KEYED)
    assert (type(searched.cv), searched.cv.n_splits, searched.cv.shuffle) == (KFold, 4, True)
    calibrated = built(CalibratedClassifierCV(LogisticRegression()), seeds=KEYED)
    assert (type(calibrated.cv), calibrated.cv.shuffle) == (StratifiedKFold, True)
    assert built(GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=4)).cv == 4, "unkeyed, scikit-learn's own"


@pytest.mark.parametrize("cv", ["prefit", [([0, 1], [2])], LogisticRegression()], ids=["prefit", "rows", "a model"])
def test_folds_of_the_askers_own_are_refused(cv):
    for seeds in (KEYED, UNKEYED):
        with pytest.raises(Forbidden, match="Folds"):
            built(GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=cv), seeds=seeds)


def test_a_search_cannot_go_through_seeds():
    """M50: the best of many seeds would carry bits."""
    with pytest.raises(Forbidden, match="random_state"):
        built(GridSearchCV(RandomForestClassifier(), {"random_state": list(range(64))}), seeds=KEYED)


def test_only_forests_use_several_cores_and_no_more_than_there_are():
    assert built(RandomForestClassifier(n_jobs=-1), cores=2).n_jobs == 2
    assert built(RandomForestClassifier(n_jobs=64), cores=2).n_jobs == 2
    assert built(GridSearchCV(LogisticRegression(), {"C": [1.0]}, n_jobs=8)).n_jobs is None


def test_a_seed_is_a_number():
    given = Estimator("sklearn.ensemble.RandomForestClassifier", (Argument("random_state", Plain("x")),))
    with pytest.raises(PlanError, match="integer"):
        build(given, Task.CLASSIFY, UNKEYED)


def test_descriptions_give_the_estimators_that_they_describe():
    model = make_pipeline(StandardScaler(with_mean=False), HistGradientBoostingClassifier(max_depth=3, random_state=1))
    found = built(model)
    assert found[0].with_mean is False
    assert (found[1].max_depth, found[1].random_state) == (3, 1)
