"""What a vault does, as a confined target: reads tables with every engine, fits, keeps a ledger. Prints what worked."""

import ctypes
import json
import os
import sqlite3
import sys

tables, state = sys.argv[1:]
done = []


def engines():
    import polars as pl

    frame = pl.scan_ipc(f"{tables}/t.arrow").group_by("g").agg(pl.col("x").mean(), pl.len()).sort("g")
    assert frame.collect().height == 7
    assert pl.scan_parquet(f"{tables}/t.parquet").select(pl.col("x").quantile(0.5)).collect(engine="streaming").height
    assert pl.read_csv(f"{tables}/t.csv").sort("x").height == 20_000
    done.append("polars")

    import pyarrow.parquet as pq

    assert pq.read_table(f"{tables}/t.parquet", memory_map=True).num_rows == 20_000
    done.append("pyarrow")


def fits():
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2000, 5)), rng.integers(0, 2, 2000)
    HistGradientBoostingClassifier(max_iter=5).fit(x, y)
    RandomForestClassifier(n_estimators=4, n_jobs=2).fit(x, y)
    done.append("scikit-learn")


def ledger():
    for mode in ("delete", "wal"):
        with sqlite3.connect(f"{state}/{mode}.sqlite") as connection:
            assert connection.execute(f"pragma journal_mode={mode}").fetchone() == (mode,)
            connection.execute("create table if not exists t (x)")
            connection.executemany("insert into t values (?)", [(i,) for i in range(1000)])
            connection.commit()
            assert connection.execute("select count(*) from t").fetchone()[0] >= 1000
        connection.execute("vacuum")
        connection.close()
    done.append("sqlite")


def denied():
    for attempt in (
        lambda: os.open("/etc/passwd", os.O_RDONLY),
        lambda: os.open(f"{tables}/new", os.O_CREAT | os.O_WRONLY),
        lambda: os.open(f"{tables}/t.csv", os.O_RDWR),
        lambda: os.fork(),
        lambda: __import__("socket").socket(),
    ):
        try:
            attempt()
        except OSError:
            continue
        return
    done.append("denied")


def hidden():
    """Other processes of the same user may not read this one's memory, which is full of records."""
    get_dumpable = 3
    if ctypes.CDLL(None).prctl(get_dumpable, 0, 0, 0, 0) == 0:
        done.append("hidden")


engines()
fits()
ledger()
denied()
hidden()
print(json.dumps(done))
