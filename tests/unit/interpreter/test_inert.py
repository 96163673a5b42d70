"""Handles are inert: where pandas would read rows they say what to do instead, and ask nobody."""

import copy
import json
import pickle

import numpy as np
import pytest

from cleanroom_kernel.interpreter.errors import HandleError

READING = {
    "truth": lambda df: bool(df.age),
    "truth of a table": lambda df: bool(df),
    "if": lambda df: 1 if df.age > 3 else 0,
    "and": lambda df: (df.age > 3) and (df.los > 2),
    "float": lambda df: float(df.age),
    "int": lambda df: int(df.age),
    "index": lambda df: [1, 2][df.age],
    "list": lambda df: list(df.age),
    "loop": lambda df: [value for value in df.age],
    "in": lambda df: 3 in df.age,
    "asarray": lambda df: np.asarray(df),
    "array of a column": lambda df: np.array(df.age),
    "float array": lambda df: np.array([df.age, df.los], dtype=float),
    "iterrows": lambda df: df.iterrows(),
    "itertuples": lambda df: df.itertuples(),
    "tolist": lambda df: df.age.tolist(),
    "to_dict": lambda df: df.to_dict(),
    "to_csv": lambda df: df.to_csv("rows.csv"),
    "to_parquet": lambda df: df.to_parquet("rows.parquet"),
    "to_pickle": lambda df: df.to_pickle("rows.pickle"),
    "pickle": lambda df: pickle.dumps(df),
    "item": lambda df: df.age.item(),
    "one row": lambda df: df.iloc[0],
    "one label": lambda df: df.loc[3],
    "one cell": lambda df: df.at[0, "age"],
    "one value": lambda df: df.age[0],
    "positions": lambda df: df.iloc[5:10],
    "rows by number": lambda df: df.iloc[[1, 2, 3]],
    "transpose": lambda df: df.T,
    "index labels": lambda df: list(df.index),
    "index values": lambda df: df.index.tolist(),
    "ffill over all": lambda df: df.los.ffill(),
    "cumsum over all": lambda df: df.los.cumsum(),
    "rank over all": lambda df: df.los.rank(),
    "idxmax": lambda df: df.age.idxmax(),
    "line plot": lambda df: df.age.plot(),
    "plot kind": lambda df: df.plot.line("age", "los"),
}


@pytest.mark.parametrize("read", READING.values(), ids=READING.keys())
def test_reading_rows_says_what_to_do_instead(read, here):
    asked = len(here.vault.questions)
    with pytest.raises(HandleError) as caught:
        read(here.room["stays"])
    assert caught.value.suggestion
    assert len(here.vault.questions) == asked


@pytest.mark.parametrize(
    "public",
    [
        lambda df, n: df.__setitem__("x", list(range(n))),
        lambda df, n: df.__setitem__("x", np.zeros(n)),
        lambda df, n: df.age + np.zeros(n),
        lambda df, n: np.zeros(n) + df.age,
        lambda df, n: df[np.zeros(n, dtype=bool)],
        lambda df, n: df.loc[[True] * n],
        lambda df, n: df.age.where(np.zeros(n, dtype=bool)),
        lambda df, n: df.groupby(np.zeros(n)).los.mean(),
    ],
)
def test_nothing_with_one_public_value_per_row_enters_the_rows(public, here, table):
    with pytest.raises((HandleError, ValueError, KeyError, TypeError)):
        public(here.room["stays"], len(table))


LOOKING = {
    "repr": repr,
    "str": str,
    "html": lambda df: df._repr_html_(),
    "column": lambda df: repr(df.age),
    "dir": dir,
    "columns": lambda df: list(df.columns),
    "dtypes": lambda df: df.dtypes,
    "names": list,
    "contains": lambda df: "age" in df,
    "head": lambda df: repr(df.head()),
    "schema": lambda df: df.select_dtypes("number").columns,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "attributes": lambda df: [hasattr(df, name) for name in ("fit", "__len__", "__array_interface__", "nope")],
    "index": lambda df: repr(df.index),
}


@pytest.mark.parametrize("look", LOOKING.values(), ids=LOOKING.keys())
def test_looking_at_a_handle_asks_nothing(look, here):
    asked = len(here.vault.questions)
    look(here.room["stays"])
    assert len(here.vault.questions) == asked


def test_a_handle_shows_rows_that_are_marked_as_synthetic(stays):
    for shown in (repr(stays), stays._repr_html_(), repr(stays.age)):
        assert "Synthetic rows" in shown


def test_columns_complete_and_hidden_ones_do_not_exist(here):
    assert {"age", "los"} <= set(dir(here.room["stays"]))
    with pytest.raises(KeyError):
        here.room["patients"]["name"]


def test_a_handle_is_not_hashable_so_it_cannot_be_looked_up_in_a_dict(stays):
    with pytest.raises(TypeError):
        dict([(stays.age, 1)])


def test_a_handle_does_not_become_json(stays):
    with pytest.raises(TypeError):
        json.dumps(stays.age)


@pytest.mark.parametrize("wrong", ["nope", "to_nowhere"])
def test_a_name_that_pandas_does_not_have_is_an_ordinary_attribute_error(stays, wrong):
    with pytest.raises(AttributeError, match=f"no attribute '{wrong}'"):
        getattr(stays, wrong)
