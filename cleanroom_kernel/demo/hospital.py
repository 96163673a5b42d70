"""Hospital: the built-in synthetic hospital, to try a clean room without having any data.

Promise: the same number of patients and the same seed give the same tables, byte for byte; nobody in them exists; and
every value keeps to `room_schema`, which is declared, not measured.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from cleanroom_kernel.demo import records
from cleanroom_kernel.demo.declared import room_schema
from cleanroom_kernel.demo.people import draw_people, patients_table
from cleanroom_kernel.demo.stays import simulate

__all__ = ["READMISSION_FEATURES", "generate", "room_schema", "write"]

# What one knows at discharge, and what the label really depends on.
READMISSION_FEATURES = (
    "age",
    "sex",
    "admission_type",
    "department",
    "los_days",
    "prior_admissions",
    "charlson",
    "n_diagnoses",
    "n_medications",
    "hemoglobin",
    "creatinine",
    "sodium",
    "discharge_destination",
)


def generate(patients: int = 20_000, seed: int = 0) -> dict[str, pl.DataFrame]:
    """The hospital's five tables: patients, encounters, diagnoses, labs, medications."""
    if patients < 1:
        raise ValueError("The synthetic hospital needs at least one patient.")
    rng = np.random.default_rng(seed)
    people = draw_people(patients, rng)
    stays = simulate(people, rng)
    numbers = 2_000_000 + rng.permutation(stays.size)
    return {
        "patients": patients_table(people, rng),
        "encounters": records.encounters_table(people, stays, numbers),
        "diagnoses": records.diagnoses_table(people, stays, numbers),
        "labs": records.labs_table(people, stays, numbers, rng),
        "medications": records.medications_table(people, stays, numbers, rng),
    }


def write(directory: Path, patients: int = 20_000, seed: int = 0) -> None:
    """One Parquet file per table, and `schema.json` beside them: what an owner has before opening a room."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, table in generate(patients, seed).items():
        table.write_parquet(directory / f"{name}.parquet")
    (directory / "schema.json").write_bytes(msgspec.json.format(msgspec.json.encode(room_schema())))
