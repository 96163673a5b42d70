"""Declared: the synthetic hospital's schema, as an owner would declare it.

Promise: built from the catalogue and the simulation's own limits, never from generated rows.
"""

from __future__ import annotations

import numpy as np

from cleanroom_kernel.demo import catalogue
from cleanroom_kernel.demo.stays import EXTRACTED
from cleanroom_kernel.plan.schema import Column, DType, Role, RoomSchema, TableSchema

EARLIEST = np.datetime64("2018-01-01", "us")


def room_schema() -> RoomSchema:
    return RoomSchema(
        name="hospital",
        unit_name="patient",
        description="Five tables of a synthetic hospital: a cohort first admitted 2018-2021. Nobody in it exists.",
        tables=(_patients(), _encounters(), _diagnoses(), _labs(), _medications()),
    )


def _patients() -> TableSchema:
    return _table(
        "patients",
        "One row per patient.",
        Column("patient_id", DType.INTEGER, Role.UNIT, unique=True, nullable=False, description="Patient number."),
        Column("name", DType.STRING, Role.HIDDEN, nullable=False, description="Full name."),
        Column("medical_record_number", DType.STRING, Role.HIDDEN, nullable=False, description="Number on the chart."),
        Column("birth_date", DType.DATETIME, Role.HIDDEN, nullable=False, description="Exact date of birth."),
        Column("postcode", DType.STRING, Role.HIDDEN, nullable=False, description="Five-digit postcode of residence."),
        _number("birth_year", 1920, 2005, "Year of birth."),
        _label("sex", catalogue.SEXES, "Sex as recorded at registration."),
        _label("region", catalogue.REGIONS, "Region of residence."),
        _label("insurance", catalogue.INSURANCES, "Who pays."),
        _label("marital_status", catalogue.MARITAL_STATUSES, "Marital status; missing when unknown.", nullable=True),
        _label("smoking_status", catalogue.SMOKING_STATUSES, "Smoking; missing when not asked.", nullable=True),
        _measure("bmi", 10, 60, "kg/m2", "Body mass index; missing when not measured.", nullable=True),
    )


def _encounters() -> TableSchema:
    return _table(
        "encounters",
        "One row per hospital stay.",
        _encounter_key("Number of the stay.", unique=True),
        _unit(),
        _moment("admitted", "Admission."),
        _moment("discharged", "Discharge, or death in hospital."),
        _measure("los_days", 0, 60, "days", "Length of stay, discharge minus admission."),
        _number("age", 0, 110, "Completed years of age at admission.", "years"),
        _label("sex", catalogue.SEXES, "Sex, copied from patients."),
        _label("admission_type", catalogue.ADMISSION_TYPES, "How the stay began."),
        _label("department", catalogue.DEPARTMENTS, "Treating department."),
        _label("ward", catalogue.ALL_WARDS, "Ward of the department."),
        _label("discharge_destination", catalogue.DESTINATIONS, "Where the patient went; 'deceased' died in hospital."),
        _number("n_diagnoses", 0, 60, "Rows of this stay in diagnoses."),
        _number("n_medications", 0, 25, "Rows of this stay in medications."),
        _number("prior_admissions", 0, 40, "Stays of this patient that began within the 365 days before."),
        _number("charlson", 0, 15, "Comorbidity score: Charlson's weights, without points for age."),
        *(_admission_test(name) for name in ("hemoglobin", "creatinine", "sodium")),
        Column(
            "readmitted_30d",
            DType.INTEGER,
            lower=0,
            upper=1,
            categories=(0, 1),
            nullable=False,
            description="1 when the patient's next stay began within 30 days after this discharge, else 0 (also after "
            "a death in hospital). Every discharge was followed for 30 days.",
        ),
        Column("note", DType.STRING, Role.TEXT, nullable=False, description="Discharge note, one or two sentences."),
    )


def _diagnoses() -> TableSchema:
    return _table(
        "diagnoses",
        "One row per stay and diagnosis.",
        _encounter_key("Stay in which the diagnosis was recorded."),
        _unit(),
        _number("rank", 1, 60, "1 is the main diagnosis."),
        _label("icd10", catalogue.CODES, "ICD-10 category, three characters."),
        _label("chapter", catalogue.CHAPTERS, "Short name of the code's ICD-10 chapter."),
    )


def _labs() -> TableSchema:
    return _table(
        "labs",
        "One row per blood test.",
        _encounter_key("Stay in which the sample was taken."),
        _unit(),
        _moment("taken", "When the sample was taken."),
        _label("test", tuple(test.name for test in catalogue.LAB_TESTS), "What was measured."),
        Column("value", DType.FLOAT, lower=0, upper=1000, description="Result; missing when the sample was spoiled."),
        _label("unit", tuple(sorted({test.measured_in for test in catalogue.LAB_TESTS})), "Unit of `value`."),
    )


def _medications() -> TableSchema:
    return _table(
        "medications",
        "One row per stay and class of drugs given.",
        _encounter_key("Stay in which the drug was given."),
        _unit(),
        _label("drug_class", catalogue.DRUG_CLASSES, "Class of the drug."),
        _measure("dose", 0, 2000, "mg", "Single dose; missing when not recorded.", nullable=True),
        _label("route", catalogue.ROUTES, "How it was given."),
    )


def _table(name: str, description: str, *columns: Column) -> TableSchema:
    files = tuple(f"{name}{ending}" for ending in (".csv", ".csv.gz", ".parquet"))
    return TableSchema(name=name, columns=columns, description=description, aliases=files)


def _unit() -> Column:
    return Column("patient_id", DType.INTEGER, Role.UNIT, nullable=False, description="Patient number.")


def _encounter_key(description: str, unique: bool = False) -> Column:
    return Column(
        "encounter_id",
        DType.INTEGER,
        Role.KEY,
        one_unit=True,
        unique=unique,
        nullable=False,
        description=description,
    )


def _label(name: str, categories: tuple[str, ...], description: str, nullable: bool = False) -> Column:
    return Column(name, DType.STRING, categories=categories, nullable=nullable, description=description)


def _number(name: str, lower: float, upper: float, description: str, measured_in: str = "") -> Column:
    return Column(
        name,
        DType.INTEGER,
        lower=lower,
        upper=upper,
        nullable=False,
        description=description,
        measured_in=measured_in,
    )


def _measure(
    name: str, lower: float, upper: float, measured_in: str, description: str, nullable: bool = False
) -> Column:
    return Column(
        name,
        DType.FLOAT,
        lower=lower,
        upper=upper,
        nullable=nullable,
        description=description,
        measured_in=measured_in,
    )


def _moment(name: str, description: str) -> Column:
    earliest, latest = (float(moment.astype("datetime64[us]").astype(np.int64)) for moment in (EARLIEST, EXTRACTED))
    return Column(name, DType.DATETIME, lower=earliest, upper=latest, nullable=False, description=description)


def _admission_test(name: str) -> Column:
    test = next(entry for entry in catalogue.LAB_TESTS if entry.name == name)
    about = f"{name.capitalize()} at admission; missing when not taken."
    return _measure(name, test.lower, test.upper, test.measured_in, about, nullable=True)
