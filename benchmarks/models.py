"""Fits, a search and a cross-validation on the readmission table: plain scikit-learn in ipykernel against the room.

Both kernels run the same cell in turn. A fit in the room includes the hand-over to the worker and back, what the gate
counts before it answers, and the fit of the twin. Each round asks for other models (`max_iter` differs, beyond what is
needed), so that no answer comes out of the ledger.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from benchmarks.table import Row
from tests.acceptance.diabetes import DATA, EXPLORE, FEATURES, PLAIN_LOAD, SOURCES, SPLIT, propose_schema
from tests.acceptance.rooms import kernel, serving

START = "from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score"
LINE = "make_pipeline(StandardScaler(), LogisticRegression(max_iter={round}))"
FIRST = f"m = {LINE}.fit(X_train, y_train)"
CELLS = {
    "fit, logistic regression": f"m = {LINE}.fit(X_train, y_train)",
    "fit, forest of 100": "m = RandomForestClassifier(100, min_samples_leaf=20, max_leaf_nodes={round}0, "
    "random_state=0, n_jobs=2).fit(X_train, y_train)",
    "fit, histogram boosting": "m = HistGradientBoostingClassifier(early_stopping=False, random_state={round})"
    ".fit(X_train, y_train)",
    "search, 3 candidates in 3 folds": f"m = GridSearchCV({LINE}, {{'logisticregression__C': [0.01, 0.1, 1.0]}}, "
    "cv=3, scoring='roc_auc').fit(X_train, y_train)",
    "cross_val_score, 5 folds": f"s = cross_val_score({LINE}, X_train, y_train, scoring='roc_auc', "
    "cv=StratifiedKFold(5, shuffle=True, random_state=0))",
}


def run(rounds: int = 1) -> list[Row]:
    """Median seconds of each cell. Needs the diabetes130 table."""
    if not DATA.exists():
        raise SystemExit("benchmarks.models needs the diabetes130 table")
    times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ("first fit", *CELLS)}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        propose_schema(base)
        with (
            serving(base, SOURCES, keyed_seeds=False) as room,
            kernel("python3", base) as plain,
            kernel("cleanroom", base, room.jupyter) as ours,
        ):
            plain.value(PLAIN_LOAD)
            for running in (plain, ours):
                for cell in (EXPLORE, FEATURES, SPLIT, START):
                    running.value(cell)
            _timed(plain, ours, FIRST.format(round=500), times["first fit"])
            for number in range(rounds):
                for name, cell in CELLS.items():
                    _timed(plain, ours, cell.replace("{round}", str(1000 + number)), times[name])
    return [Row(name, median(there), median(here)) for name, (there, here) in times.items()]


def _timed(plain: object, ours: object, cell: str, measured: tuple[list[float], list[float]]) -> None:
    for running, seconds in zip((plain, ours), measured, strict=True):
        start = time.perf_counter()
        running.value(cell)
        seconds.append(time.perf_counter() - start)
    print(f"{cell[:60]}: {measured[0][-1]:.2f} s, {measured[1][-1]:.2f} s", file=sys.stderr, flush=True)
