"""Uploads: an expert's public table joins the room's rows as pandas joins it, and is checked before it travels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cleanroom_kernel import audit
from cleanroom_kernel.interpreter.errors import CleanRoomError, HandleError
from cleanroom_kernel.plan.nodes import Forbidden, PlanError, digest
from cleanroom_kernel.vault import uploads
from tests.unit.interpreter.compare import same

CODES = pd.DataFrame(
    {
        "code": ["V10", "V22", "E11", "X99"],
        "chapter": ["external", "external", "endocrine", None],
        "weight": [1.5, 2.0, None, 4.0],
        "rank": [1, 2, 3, 4],
        "chronic": [False, False, True, True],
    }
)
MERGES = {
    "left": lambda df, ref: df.merge(ref, on="code", how="left"),
    "inner": lambda df, ref: df.merge(ref, on="code"),
    "function": lambda df, ref: pd.merge(df, ref, on="code", how="left"),
    "by the name of the key": lambda df, ref: df.merge(ref, how="left"),
    "other names": lambda df, ref: df.rename(columns={"code": "icd"}).merge(
        ref, left_on="icd", right_on="code", how="left"
    ),
    "suffixes": lambda df, ref: (
        df.assign(rank=df.age)
        .merge(ref, on="code", how="left", suffixes=("_ours", "_theirs"))
        .rename(columns={"rank_theirs": "rank"})
    ),
    "after a filter": lambda df, ref: df[df.age > 40].merge(ref, on="code", how="left"),
}


@pytest.fixture(scope="module")
def codes(permissive_world):
    return permissive_world.room.upload(CODES, name="codes")


@pytest.mark.parametrize("merge", MERGES.values(), ids=MERGES.keys())
def test_a_merge_gives_what_pandas_gives(merge, here, stays, table, codes):
    ours, theirs = merge(stays, codes), merge(table, CODES)
    assert sorted(ours.columns) == sorted(theirs.columns)
    assert len(ours) == len(theirs)
    same(ours.chapter.value_counts().sort_index(), theirs.chapter.value_counts().sort_index())
    same(ours[["weight", "rank"]].mean(), theirs[["weight", "rank"]].mean())
    same(ours.groupby("chapter").los.mean(), theirs.groupby("chapter").los.mean())
    same(ours.chronic.isna().sum(), theirs.chronic.isna().sum())


def test_what_is_looked_up_is_used_like_a_column(here, stays, table, codes):
    ours, theirs = stays.merge(codes, on="code"), table.merge(CODES, on="code")
    same((ours.los * ours["rank"]).sum(), (theirs.los * theirs["rank"]).sum())
    same(ours[ours.chronic].age.mean(), theirs[theirs.chronic.astype(bool)].age.mean())
    same(ours.groupby(["ward", "chapter"]).size(), theirs.groupby(["ward", "chapter"]).size())


def test_a_column_is_mapped_by_one_of_the_table(here, stays, table, codes):
    ours = stays.code.map(codes["chapter"])
    same(ours.value_counts().sort_index(), table.code.map(CODES.set_index("code").chapter).value_counts().sort_index())
    with pytest.raises(KeyError):
        codes["code"]


def test_an_index_with_a_name_is_the_key(here, stays, table):
    ours = stays.merge(here.room.upload(CODES.set_index("code"), name="codes"), on="code", how="left")
    same(ours["rank"].sum(), table.merge(CODES, on="code", how="left")["rank"].sum())


def test_two_keys_together_say_which_row_is_meant(here, stays, table):
    prices = pd.DataFrame(
        {
            "ward": ["north", "north", "south", "west"],
            "readmitted": [0, 1, 1, 0],
            "price": [10, 20, 30, 40],
        }
    )
    reference = here.room.upload(prices, name="prices", key=["ward", "readmitted"])
    ours = stays.merge(reference, on=["ward", "readmitted"], how="left")
    theirs = table.merge(prices, on=["ward", "readmitted"], how="left")
    same(ours.price.value_counts().sort_index(), theirs.price.value_counts().sort_index())
    same(ours.groupby("ward").price.mean(), theirs.groupby("ward").price.mean())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_table_of_whole_numbers_is_looked_up_as_pandas_does(data, here, stays, table):
    keys = data.draw(st.lists(st.integers(-5, 105), min_size=1, max_size=30, unique=True))
    values = data.draw(
        st.lists(st.none() | st.integers(-3, 3), min_size=len(keys), max_size=len(keys)).filter(
            lambda found: any(value is not None for value in found)
        )
    )
    mine = pd.DataFrame({"age": keys, "group": pd.Series(values, dtype="float64")})
    ours = stays.merge(here.room.upload(mine, name="groups"), on="age", how="left")
    theirs = table.merge(mine, on="age", how="left")
    here.vault.desk.references.clear()  # a session takes so many tables
    here.room.upload(mine, name="groups")
    same(ours.group.count(), theirs.group.count())
    if theirs.group.count():
        same(ours.group.sum(), theirs.group.sum())


def test_more_keys_than_a_list_may_have(here, stays, table):
    many = pd.DataFrame({"code": [f"C{number}" for number in range(5_000)] + ["V10"], "odd": [1] * 5_000 + [0]})
    with pytest.raises(Forbidden, match=r"room\.upload"):
        stays.merge(many, on="code", how="left").odd.sum()
    ours = stays.merge(here.room.upload(many, name="many"), on="code", how="left")
    same(ours.odd.count(), (table.code == "V10").sum())


# -- what does not travel ---------------------------------------------------------------------------------------------
BAD = {
    "several rows for a key": (pd.DataFrame({"code": ["a", "a"], "g": [1, 2]}), "several rows for one key"),
    "a missing key": (pd.DataFrame({"code": ["a", None], "g": [1, 2]}), "missing values"),
    "keys that are no codes": (pd.DataFrame({"x": [0.5, 1.5], "g": [1, 2]}), "keys are codes"),
    "no rows": (pd.DataFrame({"code": [], "g": []}, dtype="str"), "no rows"),
    "dates": (pd.DataFrame({"code": ["a"], "d": pd.to_datetime(["2020-01-01"])}), "holds dates"),
    "mixed": (pd.DataFrame({"code": ["a", "b"], "g": [1, "x"]}), "mixes"),
    "infinite": (pd.DataFrame({"code": ["a", "b"], "g": [1.0, np.inf]}), "infinite"),
    "long text": (pd.DataFrame({"code": ["a"], "g": ["x" * 201]}), "200 characters"),
    "many rows": (pd.DataFrame({"code": range(20_001), "g": 1}), "20,000 rows"),
    "many cells": (pd.DataFrame({"code": range(20_000)} | {f"c{n}": 1 for n in range(5)}), "100,000 cells"),
}


@pytest.mark.parametrize(("frame", "words"), BAD.values(), ids=BAD.keys())
def test_a_table_that_cannot_be_one_is_refused_with_the_reason(here, frame, words):
    with pytest.raises((HandleError, PlanError), match=words):
        here.room.upload(frame, name="codes")


def test_a_patients_identifier_is_no_key(here, stays):
    """A table by patient is a mask over the rows."""
    mask = here.room.upload(pd.DataFrame({"pid": range(100, 110), "chosen": True}), name="mask")
    for key in ("pid", "stay"):
        with pytest.raises(Forbidden, match="cannot be compared"):
            stays.merge(mask, left_on=key, right_on="pid")
    assert isinstance(stays.merge(mask, left_on="age", right_on="pid"), type(stays))


def test_what_would_show_rows_of_the_table_without_patients_is_refused(stays, codes):
    for how in ("right", "outer"):
        with pytest.raises(HandleError, match="match nobody"):
            stays.merge(codes, on="code", how=how)
    with pytest.raises(HandleError, match="joins on its key"):
        stays.merge(codes, left_on="ward", right_on="chapter")


# -- what is written down ---------------------------------------------------------------------------------------------
def test_the_same_content_is_the_same_question_whatever_its_name_and_order(here, stays):
    one = here.room.upload(CODES, name="codes")
    other = here.room.upload(CODES.sample(frac=1, random_state=1), name="again")
    for table in (one, other):
        stays.merge(table, on="code", how="left")["rank"].sum()
    assert len({digest(question) for question in here.vault.questions[-2:]}) == 1
    changed = here.room.upload(CODES.assign(rank=[1, 2, 3, 5]), name="codes")
    stays.merge(changed, on="code", how="left")["rank"].sum()
    assert len({digest(question) for question in here.vault.questions[-2:]}) == 2


def test_the_owner_reads_what_was_brought(here):
    table = CODES.assign(new=7)
    here.room.upload(table, name="newest")
    here.room.upload(table, name="newest")
    with here.vault.desk.ledger.book() as book:
        events = [e.event for e in audit.entries(book.connection) if isinstance(e.event, audit.Uploaded)]
    (event,) = [event for event in events if event.name == "newest"]
    assert (event.rows, event.keys, event.columns) == (4, ("code",), ("chapter", "weight", "rank", "chronic", "new"))
    assert event.identity in here.vault.desk.references


def test_a_session_takes_so_many_tables(here, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_TABLES", len(here.vault.desk.references))
    with pytest.raises(CleanRoomError, match="uploaded tables"):
        here.room.upload(CODES.assign(one_more=1), name="one_more")


def test_a_table_that_the_vault_does_not_have_is_asked_for_again(here, stays):
    table = stays.merge(here.room.upload(CODES.assign(lost=3), name="lost"), on="code", how="left")
    here.vault.desk.references.clear()
    with pytest.raises(CleanRoomError, match="Upload it again"):
        table.lost.sum()
