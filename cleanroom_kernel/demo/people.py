"""People: the synthetic patients before any of them falls ill enough to be admitted.

Promise: arrays drawn from one seeded generator, one entry per patient, no loop over patients. Nobody in them exists.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from msgspec import Struct
from numpy.typing import NDArray

from cleanroom_kernel.demo import catalogue

FIRST_ADMISSIONS = (np.datetime64("2018-01-01", "D"), np.datetime64("2021-12-31", "D"))
YOUNGEST, OLDEST = 18, 94  # at the first admission
DAYS_PER_YEAR = 365.2425

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class People(Struct, frozen=True):
    """Patients as arrays; `conditions` has one column per row of the catalogue's CONDITIONS."""

    ids: Integers
    born: NDArray[np.datetime64]  # days
    first: NDArray[np.datetime64]  # day of the first admission
    male: Flags
    conditions: Flags
    charlson: Integers
    frailty: Floats  # never recorded: what makes a patient worse than the record says
    rare: dict[str, Integers]  # rare label -> positions of the few patients who have it

    @property
    def size(self) -> int:
        return len(self.ids)

    def has(self, condition: str) -> Flags:
        """Which patients have the condition; nobody has the condition without a name."""
        names = [entry.name for entry in catalogue.CONDITIONS]
        return self.conditions[:, names.index(condition)] if condition else np.zeros(self.size, dtype=bool)


def logistic(logit: Floats) -> Floats:
    return 1 / (1 + np.exp(-logit))


def draw_people(patients: int, rng: np.random.Generator) -> People:
    first = FIRST_ADMISSIONS[0] + rng.integers(0, int(np.diff(FIRST_ADMISSIONS)[0].astype(int)) + 1, patients)
    # Two humps: births and accidents of the young, and the illnesses of age.
    young = rng.random(patients) < 0.22
    age = np.where(young, rng.normal(33, 8, patients), rng.normal(66, 14, patients))
    age = np.where((age < YOUNGEST) | (age > OLDEST), rng.uniform(YOUNGEST, OLDEST, patients), age)
    male = rng.random(patients) < np.where(young, 0.32, 0.51)
    decades = (age - 60) / 10
    frailty = rng.normal(0, 1, patients)
    conditions = np.stack(
        [
            rng.random(patients) < logistic(c.at_sixty + c.per_decade * decades + c.male * male + 0.35 * frailty)
            for c in catalogue.CONDITIONS
        ],
        axis=1,
    )
    return People(
        ids=100_000 + rng.permutation(patients),
        born=first - (age * DAYS_PER_YEAR).astype("timedelta64[D]"),
        first=first,
        male=male,
        conditions=conditions,
        charlson=conditions @ np.array([c.charlson for c in catalogue.CONDITIONS]),
        frailty=frailty,
        rare=_rare_patients(patients, rng),
    )


def _rare_patients(patients: int, rng: np.random.Generator) -> dict[str, Integers]:
    """A few patients per rare label: their number is fixed, so that no seed makes a rare label common or absent."""
    return {
        label: rng.choice(patients, size=min(patients, count), replace=False)
        for label, count in catalogue.RARE_PATIENTS.items()
    }


def patients_table(people: People, rng: np.random.Generator) -> pl.DataFrame:
    n = people.size
    region = rng.choice(len(catalogue.REGIONS), n, p=catalogue.REGION_SHARES)
    region[people.rare["overseas"]] = catalogue.REGIONS.index("overseas")
    age = (people.first - people.born).astype(float) / DAYS_PER_YEAR
    bmi = rng.normal(26.0, 3.8, n) + 7.5 * people.has("obesity")
    columns = {
        "patient_id": pl.Series(people.ids),
        "name": _names(n, rng),
        "medical_record_number": "MRN-" + pl.Series(10_000_000 + rng.permutation(n) * 7).cast(pl.String),
        "birth_date": pl.Series(people.born).cast(pl.Datetime("us")),
        "postcode": pl.Series((region + 1) * 10_000 + rng.integers(0, 10_000, n)).cast(pl.String),
        "birth_year": pl.Series(people.born.astype("datetime64[Y]").astype(np.int64) + 1970),
        "sex": labels(catalogue.SEXES, people.male),
        "region": labels(catalogue.REGIONS, region),
        "insurance": labels(catalogue.INSURANCES, _insurance(people, age, rng)),
        "marital_status": labels(catalogue.MARITAL_STATUSES, _marital_status(age, rng), rng.random(n) < 0.06),
        "smoking_status": labels(catalogue.SMOKING_STATUSES, _smoking(people.has("copd"), rng), rng.random(n) < 0.14),
        "bmi": measured(np.clip(bmi, 14, 60).round(1), rng.random(n) < 0.22),
    }
    return pl.DataFrame(columns).sort("patient_id")


def labels(categories: tuple[str, ...], codes: Integers | Flags, missing: Flags | None = None) -> pl.Series:
    """The labels that `codes` number, with nulls where `missing`."""
    positions = pl.Series(codes.astype(np.uint32))
    if missing is not None:
        positions = positions.to_frame("at").select(pl.when(pl.Series(~missing)).then("at")).to_series()
    return pl.Series(categories).gather(positions)


def measured(values: Floats, missing: Flags) -> pl.Series:
    """Numbers with nulls, not NaN, where `missing`."""
    return pl.Series(np.where(missing, np.nan, values)).fill_nan(None)


def pick(weights: Floats, rng: np.random.Generator) -> Integers:
    """One choice per row of `weights`, with chances in proportion to the row's entries."""
    steps = np.cumsum(weights, axis=1)
    return (rng.random(len(weights))[:, None] * steps[:, -1:] >= steps).sum(axis=1).clip(max=weights.shape[1] - 1)


def _names(n: int, rng: np.random.Generator) -> pl.Series:
    first = labels(catalogue.FIRST_NAMES, rng.integers(0, len(catalogue.FIRST_NAMES), n))
    last = labels(catalogue.LAST_NAMES, rng.integers(0, len(catalogue.LAST_NAMES), n))
    return first + " " + last


def _insurance(people: People, age: Floats, rng: np.random.Generator) -> Integers:
    chosen = pick(np.stack([0.30 + 0.0 * age, np.where(age >= 65, 2.2, 0.6), np.full(len(age), 0.05)], axis=1), rng)
    chosen[people.rare["foreign_cover"]] = catalogue.INSURANCES.index("foreign_cover")
    return chosen


def _marital_status(age: Floats, rng: np.random.Generator) -> Integers:
    divorced = np.clip((age - 28) / 200, 0.01, 0.14)
    married = np.clip((age - 20) / 35, 0.05, 0.62)
    single = np.clip((60 - age) / 45, 0.10, 0.95)
    widowed = np.clip((age - 55) / 75, 0.004, 0.5)
    return pick(np.stack([divorced, married, single, widowed], axis=1), rng)


def _smoking(copd: Flags, rng: np.random.Generator) -> Integers:
    return pick(np.where(copd[:, None], [0.40, 0.48, 0.12], [0.18, 0.27, 0.55]), rng)
