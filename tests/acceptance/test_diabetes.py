"""The readmission notebook on real records, through the real processes, gives what plain scikit-learn gives."""

import subprocess
import sys

import nbformat
import numpy as np
import pandas as pd
import pytest
import skops.io
from nbclient import NotebookClient

from tests.acceptance.diabetes import (
    CELLS,
    DATA,
    EXPLORE,
    FEATURES,
    MODELS,
    PLAIN_LOAD,
    SOURCES,
    SPLIT,
    auc,
    model_cell,
    propose_schema,
)
from tests.acceptance.rooms import cleanroom, environment, kernel, serving

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="diabetes130 is not on this machine")

# Measured with plain scikit-learn on the same features and split rules.
EXPECTED = {"LR": 0.671, "RF": 0.677, "HistGB": 0.677}


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    base = tmp_path_factory.mktemp("diabetes")
    propose_schema(base)
    with serving(base, SOURCES, preset="standard", keyed_seeds=False) as served:
        yield served


@pytest.fixture(scope="module")
def expert(room, tmp_path_factory):
    with kernel("cleanroom", tmp_path_factory.mktemp("expert"), room.jupyter) as running:
        for cell in (EXPLORE, FEATURES, SPLIT):
            running.value(cell)
        yield running


@pytest.fixture(scope="module")
def notebook(room, tmp_path_factory):
    """The notebook as nbclient executes it, which has its kernel started as JupyterLab does."""
    written = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    place = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    with environment(JUPYTER_DATA_DIR=str(room.jupyter)):
        return NotebookClient(written, kernel_name="cleanroom", timeout=300, resources=place).execute()


@pytest.mark.parametrize("name", MODELS)
def test_the_readmission_aucs_are_reproduced(notebook, name):
    cell = notebook.cells[CELLS.index(model_cell(name))]
    printed = "".join(output.get("text", "") for output in cell.outputs)
    assert auc(printed) == pytest.approx(EXPECTED[name], abs=0.01)


def test_the_logistic_model_is_released_and_predicts_without_the_room(expert, room):
    """The file on the expert's machine is a genuine estimator that needs nothing of ours."""
    expert.value(model_cell("LR"))
    expert.value('room.release(LR, "readmission.skops")')
    path = expert.folder / "readmission.skops"
    model = skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
    columns = expert.value("print(list(X.columns))")
    names = [name.strip(" '\"\n[]") for name in columns.split(",")]
    people = pd.DataFrame(np.zeros((3, len(names))), columns=names).assign(number_inpatient=[0, 2, 8])
    risks = model.predict_proba(people)[:, 1]
    assert risks[0] < risks[1] < risks[2], "more earlier admissions, more risk"


BOOSTING = (
    "HistGradientBoostingClassifier(max_iter=60, learning_rate=0.2, max_leaf_nodes=8, min_samples_leaf=500, "
    "early_stopping=False, random_state=0)"
)
OUTSIDE = f"""
{PLAIN_LOAD}
{EXPLORE}
{FEATURES}
{SPLIT}
import skops.io
model = skops.io.load("boosting.skops", trusted=skops.io.get_untrusted_types(file="boosting.skops"))
plain_names = [name.removesuffix(".0") for name in model.feature_names_in_]  # codes may be missing by the schema
inputs = X_test.reindex(columns=plain_names, fill_value=0).set_axis(model.feature_names_in_, axis=1)
print("AUC boosting", roc_auc_score(y_test, model.predict_proba(inputs)[:, 1]))
"""


def test_boosting_that_may_leave_is_released_verified_and_as_good_outside(expert, room):
    code = f"boosting = {BOOSTING}.fit(X_train, y_train)"
    inside = auc(
        expert.value(f'{code}\nprint("AUC boosting", roc_auc_score(y_test, boosting.predict_proba(X_test)[:, 1]))')
    )
    assert inside > 0.66
    assert "Train and test: roc_auc_score" in expert.value('room.release(boosting, "boosting.skops")')
    with environment(JUPYTER_DATA_DIR=str(room.jupyter)):
        assert "is verified: released by room" in cleanroom("verify", str(expert.folder / "boosting.skops")).stdout
    run = [sys.executable, "-c", OUTSIDE]
    outside = subprocess.run(run, cwd=expert.folder, capture_output=True, text=True, check=True).stdout
    assert auc(outside) == pytest.approx(inside, abs=0.01)


def test_every_number_that_left_is_in_the_audit_log(room, expert):
    log = room.command("audit", "show").stdout
    assert log.count("released:") >= len(CELLS)
    assert "the chain is whole" in room.command("audit", "verify").stdout
