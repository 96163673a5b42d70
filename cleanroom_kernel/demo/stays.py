"""Stays: every patient's chain of hospital stays, simulated forward in time.

Promise: whether a patient returns within 30 days is drawn at discharge and *then carried out*: the next stay of the
chain starts within 30 days exactly when the draw said so. The label is therefore never at odds with the dates. Each
wave handles the next stay of all patients at once; no loop runs over patients.

It is a closed cohort: chains end by themselves, long before the extract, so that a patient's last stay had its 30
days of follow-up. A patient who dies in hospital has no further stay.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from cleanroom_kernel.demo import catalogue
from cleanroom_kernel.demo.people import DAYS_PER_YEAR, Flags, Floats, Integers, People, logistic, pick

MOST_STAYS = 40
LAST_PLANNED = np.datetime64("2023-12-31", "m")  # no stay but a readmission begins later
LAST_FOLLOWED = np.datetime64("2024-10-31", "m")  # nobody discharged later returns
EXTRACTED = np.datetime64("2025-06-30", "m")  # nothing in the tables is later than this
LONGEST = 58.0  # days in hospital
MINUTES_PER_DAY = 1440
READMISSION_DAYS = 30.0

_DEPARTMENT_OF = np.array([catalogue.DEPARTMENTS.index(entry.department) for entry in catalogue.DIAGNOSES])
_EMERGENCY_OF = np.array([entry.emergency for entry in catalogue.DIAGNOSES])
_COMPLICATION_OF = np.array([entry.complication for entry in catalogue.DIAGNOSES])
_LOS_OF = {"oncology": 0.25, "neurology": 0.25, "psychiatry": 0.75, "obstetrics": -0.45, "orthopaedics": 0.15}
_CODE = {code: at for at, code in enumerate(catalogue.CODES)}
_DESTINATION = {name: at for at, name in enumerate(catalogue.DESTINATIONS)}
# Log odds of coming back, by where the patient went. Someone who died, or went to a hospice, hardly can.
_RETURN_FROM = np.array([0.0, 0.30, 0.55, 0.25, 0.45, -1.6, 1.10, -np.inf])


class Stays(Struct, frozen=True):
    """Stays as arrays, one entry each; the matrices have one column per diagnosis, drug and test of the catalogue."""

    patient: Integers  # position in People
    admitted: np.ndarray  # datetime64[m]
    discharged: np.ndarray
    age: Integers
    admission: Integers
    main: Integers  # position in DIAGNOSES
    ward: Integers
    destination: Integers
    prior: Integers
    returns: Flags
    diagnosed: Flags
    given: Flags
    tests: Floats  # NaN where not taken

    @property
    def size(self) -> int:
        return len(self.patient)

    @property
    def days(self) -> Floats:
        return (self.discharged - self.admitted).astype(np.float64) / MINUTES_PER_DAY


def simulate(people: People, rng: np.random.Generator) -> Stays:
    """All stays, ordered by patient and then by time."""
    earlier = np.full((people.size, MOST_STAYS), np.datetime64("1900-01-01", "m"))
    patient = np.arange(people.size)
    admitted = _at_an_hour(people.first, np.full(people.size, 0.6), rng)
    unplanned = np.zeros(people.size, dtype=bool)
    waves: list[Stays] = []
    while patient.size and len(waves) < MOST_STAYS:
        prior = ((admitted[:, None] - earlier[patient]) <= np.timedelta64(365, "D")).sum(axis=1)
        stays = _wave(people, patient, admitted, unplanned, prior, len(waves), rng)
        earlier[patient, len(waves)] = admitted
        waves.append(stays)
        patient, admitted, unplanned = _next(people, stays, rng)
    order = np.lexsort((np.concatenate([w.admitted for w in waves]), np.concatenate([w.patient for w in waves])))
    fields = Stays.__struct_fields__
    return Stays(**{field: np.concatenate([getattr(wave, field) for wave in waves])[order] for field in fields})


def _wave(
    people: People,
    patient: Integers,
    admitted: np.ndarray,
    unplanned: Flags,
    prior: Integers,
    number: int,
    rng: np.random.Generator,
) -> Stays:
    age = (admitted.astype("datetime64[D]") - people.born[patient]).astype(np.float64) / DAYS_PER_YEAR
    main = _main_diagnosis(people, patient, age, rng)
    admission = _admission_type(main, unplanned, rng)
    ward = _ward(main, rng)
    if number == 0:
        main[people.rare["burns_unit"]] = _CODE["T30"]
        ward[people.rare["burns_unit"]] = catalogue.ALL_WARDS.index("burns_unit")
        admission[people.rare["mass_casualty"]] = catalogue.ADMISSION_TYPES.index("mass_casualty")
    emergency = admission != catalogue.ADMISSION_TYPES.index("elective")
    conditions, burden = people.conditions[patient], people.charlson[patient]
    severity = rng.normal(0, 1, patient.size) + 0.7 * emergency + 0.18 * burden + 0.25 * people.frailty[patient]
    discharged = _discharge(admitted, _days(main, severity, age, rng), rng)
    days = (discharged - admitted).astype(np.float64) / MINUTES_PER_DAY
    diagnosed = _diagnoses(people, patient, main, severity, rng)
    given = _drugs(people, patient, severity, main, rng)
    tests = _tests(conditions, people.male[patient], severity, main, rng)
    destination = _destination(age, severity, burden, days, rng)
    returns = _returns(
        age=age,
        emergency=emergency,
        prior=prior,
        days=days,
        burden=burden,
        diagnoses=diagnosed.sum(axis=1),
        drugs=given.sum(axis=1),
        tests=tests,
        destination=destination,
        frailty=people.frailty[patient],
        main=main,
        rng=rng,
    )
    returns &= (discharged <= LAST_FOLLOWED) & (number + 1 < MOST_STAYS)
    return Stays(
        patient=patient,
        admitted=admitted,
        discharged=discharged,
        age=np.floor(age).astype(np.int64),
        admission=admission,
        main=main,
        ward=ward,
        destination=destination,
        prior=prior,
        returns=returns,
        diagnosed=diagnosed,
        given=given,
        tests=tests,
    )


def _next(people: People, stays: Stays, rng: np.random.Generator) -> tuple[Integers, np.ndarray, Flags]:
    """Who is admitted again, and when: within 30 days if the draw at discharge said so, later or never if not."""
    soon = 0.4 + rng.beta(1.0, 2.0, stays.size) * (READMISSION_DAYS - 1.4)
    late = READMISSION_DAYS + 1.0 + rng.exponential(320, stays.size)
    burden, frailty = people.charlson[stays.patient], people.frailty[stays.patient]
    later = rng.random(stays.size) < logistic(0.15 + 0.16 * burden + 0.35 * frailty + 0.10 * stays.prior)
    gap = (np.where(stays.returns, soon, late) * MINUTES_PER_DAY).astype("timedelta64[m]")
    admitted = stays.discharged + gap
    alive = stays.destination != _DESTINATION["deceased"]
    again = stays.returns | (later & alive & (admitted <= LAST_PLANNED))
    return stays.patient[again], admitted[again], stays.returns[again]


def _at_an_hour(day: np.ndarray, spread: Floats, rng: np.random.Generator) -> np.ndarray:
    hour = np.clip(rng.normal(13, 8 * spread), 0, 23.9)
    return day.astype("datetime64[m]") + (hour * 60).astype("timedelta64[m]")


def _main_diagnosis(people: People, patient: Integers, age: Floats, rng: np.random.Generator) -> Integers:
    weights = np.empty((patient.size, len(catalogue.DIAGNOSES)))
    for at, entry in enumerate(catalogue.DIAGNOSES):
        likelier = np.where(people.has(entry.condition)[patient], 7.0, 0.35) if entry.condition else 1.0
        weights[:, at] = entry.primary * likelier
    fertile = ~people.male[patient] & (age < 46)
    weights[:, _CODE["O80"]] *= fertile
    weights[:, _CODE["S72"]] *= np.where(age > 70, 3.0, 0.4)
    weights[:, _CODE["M16"]] *= np.where(age > 55, 1.5, 0.1)
    weights[:, _CODE["M17"]] *= np.where(age > 55, 1.5, 0.1)
    return pick(weights, rng)


def _admission_type(main: Integers, unplanned: Flags, rng: np.random.Generator) -> Integers:
    emergency = np.clip(_EMERGENCY_OF[main] + 0.25 * unplanned, 0, 0.97)
    urgent = 0.35 * (1 - emergency)
    return pick(np.stack([1 - emergency - urgent, emergency, urgent], axis=1), rng)


def _ward(main: Integers, rng: np.random.Generator) -> Integers:
    """A ward of the diagnosis' department; the rare ward is never drawn."""
    ward = np.zeros(main.size, dtype=np.int64)
    for at, department in enumerate(catalogue.DEPARTMENTS):
        wards = [catalogue.ALL_WARDS.index(name) for name in catalogue.WARDS[department] if name != "burns_unit"]
        here = _DEPARTMENT_OF[main] == at
        ward[here] = rng.choice(wards, int(here.sum()))
    return ward


def _days(main: Integers, severity: Floats, age: Floats, rng: np.random.Generator) -> Floats:
    by_department = np.array([_LOS_OF.get(name, 0.0) for name in catalogue.DEPARTMENTS])[_DEPARTMENT_OF[main]]
    log_days = 1.0 + by_department + 0.22 * severity + 0.006 * (age - 60) + rng.normal(0, 0.55, main.size)
    return np.clip(np.exp(log_days), 0.3, LONGEST)


def _discharge(admitted: np.ndarray, days: Floats, rng: np.random.Generator) -> np.ndarray:
    """Stays of two days and more end in the daytime, as discharges do."""
    end = admitted + (days * MINUTES_PER_DAY).astype("timedelta64[m]")
    daytime = _at_an_hour(end.astype("datetime64[D]"), np.full(days.size, 0.3), rng)
    return np.where(days >= 2, daytime, end)


def _diagnoses(people: People, patient: Integers, main: Integers, severity: Floats, rng: np.random.Generator) -> Flags:
    chance = np.clip(_COMPLICATION_OF[None, :] * np.exp(0.45 * severity)[:, None], 0, 0.6)
    for at, condition in enumerate(catalogue.CONDITIONS):
        chance[:, _CODE[condition.code]] = np.where(people.conditions[patient, at], 0.82, 0.0)
    diagnosed = rng.random(chance.shape) < chance
    diagnosed[:, _CODE["E75"]] = np.isin(patient, people.rare["E75"])
    diagnosed[np.arange(main.size), main] = True
    return diagnosed


def _drugs(people: People, patient: Integers, severity: Floats, main: Integers, rng: np.random.Generator) -> Flags:
    chance = np.empty((patient.size, len(catalogue.DRUGS)))
    for at, drug in enumerate(catalogue.DRUGS):
        indicated = np.zeros(patient.size, dtype=bool)
        for condition in drug.conditions:
            indicated |= people.has(condition)[patient]
        chance[:, at] = np.where(indicated, drug.indicated, drug.otherwise)
    chance *= np.exp(0.10 * severity)[:, None]
    given = rng.random(chance.shape) < np.minimum(chance, 0.97)
    infected = np.isin(main, [_CODE[code] for code in ("A41", "J18", "N39", "L03")])
    given[:, catalogue.DRUG_CLASSES.index("antibiotic")] |= infected
    given[:, catalogue.DRUG_CLASSES.index("enzyme_replacement")] = np.isin(patient, people.rare["E75"])
    return given


def _tests(conditions: Flags, male: Flags, severity: Floats, main: Integers, rng: np.random.Generator) -> Floats:
    """The admission value of each test, rounded as the analyser rounds, NaN where the test was not taken."""
    names = [condition.name for condition in catalogue.CONDITIONS]
    values = np.empty((severity.size, len(catalogue.LAB_TESTS)))
    for at, test in enumerate(catalogue.LAB_TESTS):
        shift = test.illness * severity + rng.normal(0, 1, severity.size)
        for name, by in test.conditions.items():
            shift += by * conditions[:, names.index(name)]
        if test.name == "hemoglobin":
            shift += 0.8 * male - 0.9 * np.isin(main, [_CODE["K92"], _CODE["D50"]])
        value = test.mean * np.exp(test.spread * shift) if test.skewed else test.mean + test.spread * shift
        values[:, at] = np.clip(value, test.lower, test.upper).round(test.decimals)
    taken = np.array([test.taken for test in catalogue.LAB_TESTS])
    # A quick elective stay is often left without blood tests: missing, but not at random.
    likelier = np.clip(taken[None, :] + 0.06 * (severity[:, None] - 0.5), 0.02, 0.995)
    return np.where(rng.random(values.shape) < likelier, values, np.nan)


def _destination(age: Floats, severity: Floats, burden: Integers, days: Floats, rng: np.random.Generator) -> Integers:
    old = np.clip((age - 60) / 10, 0, None)
    long = np.log1p(days)
    weights = np.stack(
        [
            np.full(age.size, 4.2),
            0.30 + 0.35 * old + 0.10 * burden,
            0.04 + 0.22 * old * long,
            0.05 + 0.10 * old * long,
            np.full(age.size, 0.10),
            0.012 * (1 + burden) * (1 + old),
            np.where(age < 60, 0.12, 0.04),
            0.040 * np.exp(0.75 * severity + 0.25 * old),
        ],
        axis=1,
    )
    return pick(weights, rng)


def _returns(
    *,
    age: Floats,
    emergency: Flags,
    prior: Integers,
    days: Floats,
    burden: Integers,
    diagnoses: Integers,
    drugs: Integers,
    tests: Floats,
    destination: Integers,
    frailty: Floats,
    main: Integers,
    rng: np.random.Generator,
) -> Flags:
    """Who comes back within 30 days. The effects are set so that ordinary models reach an AUC near 0.67."""
    names = [test.name for test in catalogue.LAB_TESTS]
    hemoglobin, creatinine, sodium = (
        np.nan_to_num(tests[:, names.index(name)], nan=usual)
        for name, usual in (("hemoglobin", 13.0), ("creatinine", 0.9), ("sodium", 139.0))
    )
    logit = (
        -2.80
        + 0.24 * emergency
        + 0.32 * np.minimum(prior, 6) ** 0.7
        + 0.12 * np.log1p(days)
        + 0.05 * np.minimum(burden, 8)
        + 0.04 * (diagnoses - 4)
        + 0.025 * (drugs - 4)
        + 0.06 * np.clip(12.5 - hemoglobin, 0, 5)
        + 0.12 * np.clip(creatinine - 1.2, 0, 4)
        + 0.04 * np.clip(136 - sodium, 0, 10)
        + 0.004 * (age - 60)
        + 0.20 * frailty
        - 0.60 * (main == _CODE["O80"])
        + _RETURN_FROM[destination]
    )
    return rng.random(age.size) < logistic(logit)
