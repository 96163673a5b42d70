"""Studies: the public tables that notebooks are replayed on, as an owner would declare them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from cleanroom_kernel.demo import hospital
from tests.acceptance.replay import Study

DATA = Path(__file__).parents[3] / "shared" / "data"


def diabetes() -> Study:
    frame = pd.read_csv(
        DATA / "diabetes130" / "diabetic_data.csv.gz", keep_default_na=False, nrows=12_000, low_memory=False
    )
    return Study(
        {"encounters": frame},
        {"encounters": "patient_nbr"},
        aliases={"encounters": ("diabetic_data.csv",)},
        files={"encounters": "diabetic_data.csv"},
    )


def heart_failure() -> Study:
    frame = pd.read_csv(DATA / "tabular" / "heart_failure_299.csv.gz")
    frame.insert(0, "patient", range(len(frame)))
    return Study(
        {"heart": frame},
        {"heart": "patient"},
        aliases={"heart": ("heart_failure_clinical_records.csv",)},
        files={"heart": "heart_failure_clinical_records.csv"},
    )


def mimic() -> Study:
    places = {
        "hosp": ("admissions", "patients", "diagnoses_icd"),
        "icu": ("icustays", "outputevents", "d_items"),
    }
    tables = {
        name: pd.read_csv(DATA / "mimic_iv_demo" / place / f"{name}.csv.gz", low_memory=False)
        for place, names in places.items()
        for name in names
    }
    return Study(
        tables,
        {name: "subject_id" for name in tables if name != "d_items"},
        keys=("hadm_id", "stay_id"),
        dates=("admittime", "dischtime", "deathtime", "edregtime", "edouttime", "dod", "intime", "outtime", "charttime",
               "storetime"),
        files={name: f"{place}/{name}.csv.gz mimic.duckdb" for place, names in places.items() for name in names},
    )  # fmt: skip


def synthea() -> Study:
    tables = {name: pd.read_csv(DATA / "synthea_csv_111" / f"{name}.csv.gz") for name in
              ("encounters", "patients", "conditions")}  # fmt: skip
    tables["encounters"] = tables["encounters"].assign(
        **{end: tables["encounters"][end].str.replace("T", " ").str.strip("Z") for end in ("START", "STOP")}
    )
    return Study(
        tables,
        {"encounters": "PATIENT", "patients": "Id", "conditions": "PATIENT"},
        keys=("Id", "ENCOUNTER"),
        dates=("START", "STOP", "BIRTHDATE", "DEATHDATE"),
        hidden=("SSN", "DRIVERS", "PASSPORT", "FIRST", "LAST", "MAIDEN", "ADDRESS"),
    )


def omop() -> Study:
    names = ("person", "condition_occurrence", "drug_exposure", "concept")
    tables = {}
    for name in names:
        frame = pd.read_parquet(DATA / "omop_gibleed" / f"{name}.parquet").dropna(axis=1, how="all")
        for label in frame.select_dtypes("datetime").columns:
            frame[label] = frame[label].dt.tz_localize(None).astype("datetime64[us]")
        tables[name] = frame
    return Study(
        tables,
        {name: "PERSON_ID" for name in names if name != "concept"},
        keys=("CONDITION_OCCURRENCE_ID", "DRUG_EXPOSURE_ID", "VISIT_OCCURRENCE_ID"),
        files={name: f"{name}.parquet" for name in names},
    )


def eicu() -> Study:
    tables = {name: pd.read_parquet(DATA / "eicu_demo" / f"{name}.parquet") for name in
              ("patient", "apachepatientresult", "hospital")}  # fmt: skip
    tables["hospital"]["teachingstatus"] = tables["hospital"]["teachingstatus"].fillna(False).astype(bool)
    owners = tables["patient"][["patientunitstayid", "uniquepid"]]
    tables["apachepatientresult"] = tables["apachepatientresult"].merge(owners, on="patientunitstayid", how="inner")
    return Study(
        tables,
        {"patient": "uniquepid", "apachepatientresult": "uniquepid"},
        keys=("patientunitstayid", "patienthealthsystemstayid"),
        files={name: f"{name}.parquet" for name in tables},
    )


def synthetic_hospital() -> Study:
    tables = {name: frame.to_pandas() for name, frame in hospital.generate(600).items()}
    return Study(
        tables,
        dict.fromkeys(tables, "patient_id"),
        keys=("encounter_id",),
        hidden=("name", "medical_record_number", "birth_date", "postcode"),
        files={name: f"{name}.parquet" for name in tables},
    )


NOTEBOOKS: dict[str, Callable[[], Study]] = {
    "diabetes_eda": diabetes,
    "diabetes_cleaning": diabetes,
    "diabetes_features": diabetes,
    "heart_failure": heart_failure,
    "heart_failure_inference": heart_failure,
    "mimic_admissions": mimic,
    "mimic_diagnoses": mimic,
    "mimic_sql": mimic,
    "mimic_icu": mimic,
    "synthea_readmission": synthea,
    "omop_cohort": omop,
    "eicu_apache": eicu,
    "hospital_readmission": synthetic_hospital,
    "hospital_labs": synthetic_hospital,
}
