"""Diabetes 130-US hospitals, 1999-2008: the room over it, and the readmission notebook's cells.

The cells are plain pandas and scikit-learn. They run unchanged in a plain kernel, where `room` is a dictionary of
DataFrames, and in the clean room, where it is not.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.acceptance.rooms import cleanroom

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "diabetes130" / "diabetic_data.csv.gz"
SOURCES = {"encounters": {"location": str(DATA), "null_values": ["?"]}}

PLAIN_LOAD = f"""
import pandas as pd
room = {{"encounters": pd.read_csv({str(DATA)!r}, keep_default_na=False, na_values="?", low_memory=False)}}
"""

EXPLORE = """
import numpy as np
import pandas as pd
df = room["encounters"]
print(df.shape)
print(df.groupby("age").time_in_hospital.mean())
print(df.readmitted.value_counts())
print(pd.crosstab(df.gender, df.readmitted))
"""

FEATURES = """
df = df.copy()
df["target"] = np.where(df.readmitted == "<30", 1, 0)
code = pd.to_numeric(df.diag_1, errors="coerce")
df["diagnosis"] = np.select(
    [(code >= 390) & (code < 460), (code >= 460) & (code < 520), (code >= 520) & (code < 580),
     (code >= 800) & (code < 1000), (code >= 710) & (code < 740), (code >= 580) & (code < 630),
     (code >= 140) & (code < 240), (code >= 250) & (code < 251)],
    ["circulatory", "respiratory", "digestive", "injury", "musculoskeletal", "genitourinary", "neoplasm", "diabetes"],
    default="other")
numeric = ["time_in_hospital", "num_lab_procedures", "num_procedures", "num_medications", "number_outpatient",
           "number_emergency", "number_inpatient", "number_diagnoses"]
labels = ["race", "gender", "age", "admission_type_id", "discharge_disposition_id", "admission_source_id",
          "max_glu_serum", "A1Cresult", "metformin", "insulin", "change", "diabetesMed", "diagnosis",
          "medical_specialty"]
X = pd.get_dummies(df[numeric + labels], columns=labels)
y = df.target
"""

SPLIT = """
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, stratify=y, random_state=0)
"""

MODELS = {
    "LR": "make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))",
    "RF": "RandomForestClassifier(100, min_samples_leaf=20, random_state=0, n_jobs=2)",
    "HistGB": "HistGradientBoostingClassifier(random_state=0)",
}


def model_cell(name: str) -> str:
    return (
        f"{name} = {MODELS[name]}.fit(X_train, y_train)\n"
        f'print("AUC {name}", roc_auc_score(y_test, {name}.predict_proba(X_test)[:, 1]))'
    )


CELLS = [EXPLORE, FEATURES, SPLIT, *map(model_cell, MODELS)]


def auc(text: str) -> float:
    return float(re.search(r"AUC \w+ ([0-9.]+)", text)[1])


def propose_schema(base: Path) -> None:
    """What an owner does first: let the tool read the file and propose a schema."""
    cleanroom(
        "tables", "propose", str(DATA), "--null", "?", "--room", "diabetes", "--output", str(base / "proposed.json")
    )
    text = (base / "proposed.json").read_text()
    (base / "schema.json").write_text(text.replace('"diabetic_data"', '"encounters"', 1))
