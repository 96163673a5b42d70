"""A vault that dies is replaced under a running notebook: what was asked of it, what it held, what it is charged."""

import os
import signal

import pytest

from cleanroom_kernel import audit
from cleanroom_kernel.demo import hospital
from tests.acceptance.rooms import kernel, serving, until
from tests.integration import lives

TABLES = {table.name: f"{table.name}.parquet" for table in hospital.room_schema().tables}
NOTEBOOK = """
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
encounters = room["encounters"]
grown = encounters[encounters.age >= 18]
X, y = grown[["age", "los_days"]], grown["readmitted_30d"]
"""
SLOW = """
from sklearn.model_selection import GridSearchCV
from sklearn.ensemble import RandomForestClassifier
grid = {"max_depth": list(range(1, 30)), "n_estimators": [300]}
search = GridSearchCV(RandomForestClassifier(random_state=0), grid, cv=5).fit(X, y)
"""


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    base = tmp_path_factory.mktemp("owner")
    hospital.write(base, 1500)
    with serving(base, TABLES) as served:
        yield served


@pytest.fixture(scope="module")
def notebook(room, tmp_path_factory):
    with kernel("cleanroom", tmp_path_factory.mktemp("expert"), room.jupyter) as started:
        started.value(NOTEBOOK)
        yield started


def log(room):
    """The audit log's events, whose chain is whole."""
    engine = audit.engine(room.base / "cleanroom-state")
    try:
        with audit.reading(engine) as connection:
            assert audit.verify(connection).intact
            return [entry.event for entry in audit.entries(connection)]
    finally:
        engine.dispose()


def of(room, kind):
    return [event for event in log(room) if isinstance(event, kind)]


def test_the_next_question_goes_to_a_new_vault(room, notebook):
    before = notebook.value("print(encounters.los_days.mean(), encounters.sample(frac=0.5, random_state=7).age.mean())")
    lives.kill(room, "vault")
    after = notebook.value("print(encounters.los_days.mean(), encounters.sample(frac=0.5, random_state=7).age.mean())")
    assert after == before  # the stored answer, and the draw of the room's own key
    assert len(lives.processes(room, "vault")) == 1
    assert [event.code in (-signal.SIGKILL, 128 + signal.SIGKILL) for event in of(room, audit.VaultDied)] == [True]
    assert of(room, audit.Withheld) == []  # it died between two questions, so there is nothing to charge


def test_a_new_release_belongs_to_the_cell_that_asks(room, notebook):
    lives.kill(room, "vault")
    notebook.value("print(encounters[encounters.age > 50].los_days.mean())")
    cells, released = of(room, audit.CellExecuted), of(room, audit.Released)
    assert released[-1].cell == cells[-1].cell


def test_a_fitted_model_is_fitted_again_where_it_is_needed(room, notebook):
    score = "print('score', roc_auc_score(y, model.predict_proba(X)[:, 1]))"
    notebook.value("model = LogisticRegression(max_iter=500).fit(X, y)")
    lives.kill(room, "vault")
    first = notebook.value(score).rpartition("score")[2]
    lives.kill(room, "vault")
    assert notebook.value(score).rpartition("score")[2] == first


def test_the_question_it_died_of_ends_in_one_sentence_and_costs_a_denial_once(room, notebook):
    denied, refused = len(of(room, audit.Withheld)), []
    for _ in range(2):
        request = notebook.client.execute(SLOW)
        until(lambda: lives.processes(room, "worker") and of(room, audit.CellExecuted)[-1].code == SLOW, 30)
        until(lambda: running(lives.processes(room, "worker")[-1]), 30)
        lives.kill(room, "vault")
        refused.append(reply(notebook, request))
    for answer in refused:
        assert answer["ename"] == "VaultLost"
        assert "ended by signal 9 while it worked on this question" in answer["evalue"]
        assert "Run the cell again" in answer["evalue"]
    charged = of(room, audit.Withheld)[denied:]
    assert {(event.rules, event.title) for event in charged} == {(("vault died",), charged[0].title)}
    assert len({event.question for event in charged}) == 1
    assert notebook.value("print('on we go', len(X.columns))") == "on we go 2\n"


def running(pid):
    """Whether a process is computing."""
    return sum(map(int, open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[11:13])) > 300 / os.cpu_count()


def reply(notebook, request):
    while True:
        message = notebook.client.get_shell_msg(timeout=60)
        if message["parent_header"].get("msg_id") == request:
            return message["content"]
