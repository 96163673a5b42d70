"""Twins: synthetic rows from the schema alone, of the types that pandas would read, which join with each other."""

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.demo.declared import room_schema
from cleanroom_kernel.interpreter.twins import Twins
from cleanroom_kernel.plan.schema import DType
from tests.unit.interpreter.rooms import SCHEMA, tables

HOSPITAL = room_schema()


def test_the_same_schema_gives_the_same_twins():
    for table in HOSPITAL.tables:
        pd.testing.assert_frame_equal(Twins(HOSPITAL)[table.name], Twins(HOSPITAL)[table.name])


def test_changing_a_twin_does_not_change_the_next_one():
    twins = Twins(SCHEMA)
    changed = twins["stays"]
    changed["age"] = -1
    assert (twins["stays"].age >= 0).all()


@pytest.mark.parametrize("table", HOSPITAL.tables, ids=lambda table: table.name)
def test_values_keep_to_the_declaration(table):
    twin = Twins(HOSPITAL)[table.name]
    assert list(twin) == [column.name for column in table.visible]
    for column in table.visible:
        values = twin[column.name].dropna()
        if column.categories is not None:
            assert set(values) <= set(column.categories)
        elif column.lower is not None and column.dtype in (DType.INTEGER, DType.FLOAT):
            assert values.between(column.lower, column.upper).all()
        if not column.nullable:
            assert twin[column.name].notna().all()
        if column.unique:
            assert twin[column.name].is_unique


def test_dtypes_are_those_with_which_pandas_reads_such_a_table():
    read = tables(0)
    for name, twin in ((name, Twins(SCHEMA)[name]) for name in read):
        wanted = {column: dtype for column, dtype in read[name].dtypes.items()}
        assert {column: np.dtype(object) if dtype == "str" else dtype for column, dtype in twin.dtypes.items()} == {
            column: np.dtype(object) if dtype == "str" else dtype for column, dtype in wanted.items()
        }


def test_every_category_occurs_where_there_are_rows_enough():
    assert set(Twins(HOSPITAL)["encounters"].department) == set(HOSPITAL["encounters"]["department"].categories)


@pytest.mark.parametrize("key", ["patient_id", "encounter_id"])
def test_tables_of_one_room_join(key):
    twins = Twins(HOSPITAL)
    joined = twins["encounters"].merge(twins["labs"], on=key)
    assert len(joined) >= 30


def test_a_key_of_one_unit_belongs_to_one_unit_in_all_tables():
    twins = Twins(HOSPITAL)
    pairs = pd.concat([twins[name][["encounter_id", "patient_id"]] for name in ("encounters", "labs", "diagnoses")])
    assert (pairs.groupby("encounter_id").patient_id.nunique() == 1).all()


def test_hidden_columns_have_no_twin():
    assert "name" not in Twins(HOSPITAL)["patients"]
