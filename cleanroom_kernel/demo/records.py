"""Records: the tables written during a stay, from the simulated stays.

Promise: what the encounter row summarises (counts, admission values of tests) is exactly what the detail tables hold.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from cleanroom_kernel.demo import catalogue
from cleanroom_kernel.demo.people import Floats, Integers, People, labels, measured
from cleanroom_kernel.demo.stays import MINUTES_PER_DAY, Stays

SUMMARISED_TESTS = ("hemoglobin", "creatinine", "sodium")
_MOST_REPEATS = 3


def encounters_table(people: People, stays: Stays, numbers: Integers) -> pl.DataFrame:
    names = [test.name for test in catalogue.LAB_TESTS]
    wards = {ward: at for at, (_, group) in enumerate(catalogue.WARDS.items()) for ward in group}
    department = np.array([wards[ward] for ward in catalogue.ALL_WARDS])[stays.ward]
    columns = {
        "encounter_id": pl.Series(numbers),
        "patient_id": pl.Series(people.ids[stays.patient]),
        "admitted": moments(stays.admitted),
        "discharged": moments(stays.discharged),
        "los_days": pl.Series(stays.days.round(2)),
        "age": pl.Series(stays.age),
        "sex": labels(catalogue.SEXES, people.male[stays.patient]),
        "admission_type": labels(catalogue.ADMISSION_TYPES, stays.admission),
        "department": labels(catalogue.DEPARTMENTS, department),
        "ward": labels(catalogue.ALL_WARDS, stays.ward),
        "discharge_destination": labels(catalogue.DESTINATIONS, stays.destination),
        "n_diagnoses": pl.Series(stays.diagnosed.sum(axis=1)),
        "n_medications": pl.Series(stays.given.sum(axis=1)),
        "prior_admissions": pl.Series(stays.prior),
        "charlson": pl.Series(people.charlson[stays.patient]),
        **{name: pl.Series(stays.tests[:, names.index(name)]).fill_nan(None) for name in SUMMARISED_TESTS},
        "readmitted_30d": pl.Series(stays.returns.astype(np.int64)),
    }
    return pl.DataFrame(columns).with_columns(note=_note(stays))


def diagnoses_table(people: People, stays: Stays, numbers: Integers) -> pl.DataFrame:
    """One row per stay and code; rank 1 is the main diagnosis."""
    stay, code = np.nonzero(stays.diagnosed)
    main = code == stays.main[stay]
    order = np.lexsort((code, ~main, stay))
    stay, code = stay[order], code[order]
    chapters = np.array([catalogue.CHAPTERS.index(entry.chapter) for entry in catalogue.DIAGNOSES])
    return pl.DataFrame(
        {
            "encounter_id": numbers[stay],
            "patient_id": people.ids[stays.patient[stay]],
            "rank": _place(stay),
            "icd10": labels(catalogue.CODES, code),
            "chapter": labels(catalogue.CHAPTERS, chapters[code]),
        }
    )


def labs_table(people: People, stays: Stays, numbers: Integers, rng: np.random.Generator) -> pl.DataFrame:
    """The admission value of each test taken, then repeats that drift back towards the reference mean."""
    stay, test = np.nonzero(~np.isnan(stays.tests))
    repeats = np.minimum(rng.poisson(stays.days[stay] / 9), _MOST_REPEATS)
    source = np.repeat(np.arange(stay.size), repeats + 1)
    stay, test = stay[source], test[source]
    place = _place(source) - 1
    value = _repeat_values(stays.tests[stay, test], test, place, rng)
    day = np.where(place == 0, 0.02, (place + rng.uniform(-0.3, 0.3, place.size)) / (_MOST_REPEATS + 1))
    minutes = np.floor(day * stays.days[stay] * MINUTES_PER_DAY).astype("timedelta64[m]")
    units = tuple(entry.measured_in for entry in catalogue.LAB_TESTS)
    table = pl.DataFrame(
        {
            "encounter_id": numbers[stay],
            "patient_id": people.ids[stays.patient[stay]],
            "taken": moments(stays.admitted[stay] + minutes),
            "test": labels(tuple(entry.name for entry in catalogue.LAB_TESTS), test),
            "value": value,
            "unit": labels(units, test),
        }
    )
    # A haemolysed sample is recorded, but without a value; the admission values above stay what the encounter says.
    spoiled = (place > 0) & (rng.random(place.size) < 0.03)
    return table.with_columns(value=measured(value, spoiled))


def medications_table(people: People, stays: Stays, numbers: Integers, rng: np.random.Generator) -> pl.DataFrame:
    stay, drug = np.nonzero(stays.given)
    doses = np.array([_cycle(entry.doses) for entry in catalogue.DRUGS])
    routes = np.array([_cycle([catalogue.ROUTES.index(route) for route in entry.routes]) for entry in catalogue.DRUGS])
    return pl.DataFrame(
        {
            "encounter_id": numbers[stay],
            "patient_id": people.ids[stays.patient[stay]],
            "drug_class": labels(catalogue.DRUG_CLASSES, drug),
            "dose": measured(doses[drug, rng.integers(0, doses.shape[1], drug.size)], rng.random(drug.size) < 0.04),
            "route": labels(catalogue.ROUTES, routes[drug, rng.integers(0, routes.shape[1], drug.size)]),
        }
    )


def moments(minutes: np.ndarray) -> pl.Series:
    return pl.Series(minutes.astype("datetime64[us]"))


def _place(groups: Integers) -> Integers:
    """1, 2, 3 … within each run of equal entries."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]])
    lengths = np.diff(np.r_[starts, groups.size])
    return np.arange(groups.size) - np.repeat(starts, lengths) + 1


def _cycle(choices: tuple[float, ...] | list[int]) -> list[float]:
    """The choices repeated to a common length, so that one array holds every drug's."""
    return [choices[at % len(choices)] for at in range(12)]


def _repeat_values(admission: Floats, test: Integers, place: Integers, rng: np.random.Generator) -> Floats:
    means, spreads, lower, upper, decimals, skewed = (
        np.array([getattr(entry, field) for entry in catalogue.LAB_TESTS])[test]
        for field in ("mean", "spread", "lower", "upper", "decimals", "skewed")
    )
    noise = 0.35 * spreads * rng.normal(0, 1, admission.size) * np.where(skewed, means, 1)
    drifted = np.clip(means + (admission - means) * 0.75**place + noise, lower, upper)
    rounded = np.round(drifted * 10.0**decimals) / 10.0**decimals
    return np.where(place == 0, admission, rounded)


def _note(stays: Stays) -> pl.Expr:
    """A short discharge note in fixed phrases: free text to try vectorisers on."""
    course = ("uneventful", "complicated by fever", "prolonged by weakness", "with steady recovery")
    phrase = labels(course, (stays.main * 7 + stays.destination * 3 + stays.prior) % len(course))
    code = labels(catalogue.CODES, stays.main)
    return pl.concat_str(
        pl.col("age").cast(pl.String),
        pl.lit(" year old patient admitted to "),
        pl.col("department").str.replace_all("_", " ", literal=True),
        pl.lit(" ("),
        pl.col("admission_type").str.replace_all("_", " ", literal=True),
        pl.lit(") with "),
        code,
        pl.lit(". Course "),
        phrase,
        pl.lit(". Discharged after "),
        pl.col("los_days").round(0).cast(pl.Int64).cast(pl.String),
        pl.lit(" days: "),
        pl.col("discharge_destination").str.replace_all("_", " ", literal=True),
        pl.lit("."),
    )
