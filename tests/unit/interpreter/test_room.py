"""The room as an expert meets it: tables, policy in words, receipts, and questions that are only looked at."""

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter.errors import CleanRoomError
from cleanroom_kernel.interpreter.handles import Frame


def test_the_room_shows_its_tables_columns_and_policy(guarded):
    for shown in (repr(guarded.room), guarded.room._repr_html_()):
        for word in ("stays", "patients", "wards", "los", "at least 10 patients", "rounded to 5"):
            assert word in shown
        assert "name" not in shown.split("patients (10-99 patients):")[-1].split("\n")[0].split(", ")


def test_a_table_is_found_by_name_attribute_and_file(here):
    room = here.room
    assert list(room["stays"].columns) == list(room.stays.columns) == list(pd.read_csv("data/stays.csv").columns)
    assert set(room.tables) == {"patients", "stays", "wards"} == set(room)
    assert "stays" in room
    assert "stays" in dir(room)


def test_an_unknown_table_is_said_to_be_unknown(here):
    with pytest.raises(KeyError, match="no table 'nope'"):
        here.room["nope"]
    with pytest.raises(AttributeError, match="no table 'nope'"):
        _ = here.room.nope


def test_a_file_that_is_no_table_is_read_as_ever(here, tmp_path):
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert pd.read_csv(tmp_path / "other.csv").to_dict("list") == {"a": [1], "b": [2]}


def test_options_of_a_reader_that_change_the_table_are_followed(here):
    table = here.tables["stays"]
    read = pd.read_csv("stays.csv", usecols=["pid", "age", "code"], na_values="V10", nrows=50, sep=",")
    assert isinstance(read, Frame)
    assert list(read.columns) == ["pid", "age", "code"]
    assert len(read) == 50
    assert read.code.isna().sum() == (table.code.head(50) == "V10").sum()
    assert pd.read_csv("stays.csv", index_col="pid").index.name == "pid"


def test_the_schema_is_a_table_of_declared_columns(here):
    schema = here.room.schema("stays")
    assert schema.loc["age", "values"] == "0 to 100"
    assert schema.loc["stay", "role"] == "key of one unit"
    assert schema.loc["ward", "values"] == "north, south, west"


def test_the_policy_can_be_read_in_full(guarded):
    policy = guarded.room.policy()
    assert policy.loc["minimum_units", "value"] == 10
    assert policy.meaning.str.len().gt(10).all()


def test_receipts_are_listed_and_shown_as_a_table(here):
    before = len(here.room.receipts)
    here.room["stays"].age.mean()
    receipts = here.room.receipts
    assert len(receipts) == before + 1
    assert "mean of age" in receipts[-1].title
    assert "mean of age" in repr(receipts)
    assert "mean of age" in receipts._repr_html_()


def test_what_would_be_released_is_told_without_asking(here):
    asked = len(here.vault.questions)
    stays = here.room["stays"]
    found = here.room.would_release(lambda: (stays.los - stays.los.mean()).abs().median())
    assert set(found.asked) == {"question 1", "question 2"}
    assert len(here.vault.questions) == asked


def test_foreseeing_goes_on_through_all_kinds_of_results(here):
    asked = len(here.vault.questions)
    stays = here.room["stays"]

    def program():
        assert stays.shape[0] > 0
        stays.describe()
        stays.groupby("ward").los.mean().sort_values()
        pd.crosstab(stays.ward, stays.died)
        stays.ward.value_counts(normalize=True)
        stays.corr(numeric_only=True)
        stays.info()
        pd.get_dummies(stays.code)

    here.room.would_release(program)
    assert len(here.vault.questions) == asked


def test_a_budget_is_what_was_had_of_what_is_allowed(guarded):
    stays, before = guarded.room["stays"], guarded.room.budget()
    with pytest.raises(CleanRoomError, match="withholds"):
        stays[stays.age > 10_000].age.mean()
    after = guarded.room.budget()
    assert (after.used - before.used).to_dict()["withheld answers"] == 1
    assert after.allowed["withheld answers"] == guarded.vault.desk.policy.denials
    assert "your sessions" in after.over["withheld answers"]


def test_numbers_with_noise_are_in_the_budget_of_their_column(guarded):
    stays = guarded.room["stays"]
    ((stays.age * 1.5) ** 1.5).mean()
    used = guarded.room.budget().used
    assert used["numbers with noise made of stays.age"] == 1


def test_a_refusal_is_foreseen(guarded):
    found = guarded.room.would_release(lambda: guarded.room["stays"].age.max())
    assert found.rule.str.contains("refused").any()


def test_a_question_that_cannot_be_built_is_told_as_well(here):
    found = here.room.would_release(lambda: here.room["stays"].iloc[0])
    assert found.asked.tolist() == ["refused"]


def test_a_public_table_gives_exact_results(guarded):
    wards = guarded.room["wards"]
    assert len(wards) == 3
    assert wards.beds.sum() == 60
    assert wards.groupby("ward").beds.max().to_dict() == {"north": 10, "south": 20, "west": 30}


def test_a_model_cannot_be_released_where_nobody_can(here):
    with pytest.raises(CleanRoomError):
        here.room.release(object(), "x.skops")


def test_numpy_functions_ask_for_what_they_say(here, stays, table):
    assert np.mean(stays.age) == pytest.approx(np.mean(table.age))
    assert np.sum(stays.readmitted) == table.readmitted.sum()
    assert np.std(stays.age) == pytest.approx(np.std(table.age))
    assert np.median(stays.age) == np.median(table.age)
    assert np.percentile(stays.age, [25, 75]).tolist() == pytest.approx(np.percentile(table.age, [25, 75]).tolist())
    assert np.unique(stays.readmitted).tolist() == [0, 1]
    assert np.corrcoef(stays.age, stays.readmitted)[0, 1] == pytest.approx(
        np.corrcoef(table.age, table.readmitted)[0, 1]
    )
    assert np.shape(stays.age) == (len(table),)
    assert np.nan_to_num(stays.los).sum() == pytest.approx(np.nan_to_num(table.los).sum())
    assert np.clip(stays.age, 10, 20).mean() == pytest.approx(np.clip(table.age, 10, 20).mean())
    assert np.column_stack([stays.age, stays.readmitted]).shape == (len(table), 2)
    assert (np.float64(2) * stays.age).mean() == pytest.approx(2 * table.age.mean())


def test_titles_of_receipts_have_no_name_that_the_expert_did_not_give(here, stays):
    """Columns that a computation needs in between are said in words."""
    stays["gap"] = stays.sort_values("admitted").groupby("pid").admitted.shift(-1) - stays.admitted
    (stays.gap.dt.days < 30).mean()
    stays.groupby("pid").los.max().mean()
    stays.groupby("pid").size().mean()
    long = stays.age
    for _ in range(40):
        long = long + 1
    long.mean()
    titles = [receipt.title for receipt in here.room.receipts[-4:]]
    assert not any("__" in title for title in titles)
    assert "shift of admitted within a patient" in titles[0]
    assert titles[1].startswith("mean of max of los per patient")
    assert titles[2].startswith("mean of number of rows per patient")
    assert "age + 1" in titles[3]
