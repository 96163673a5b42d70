"""Functions that cannot be traced are called in the room, for each row by itself, after they were on the twin."""

import datetime
import functools
import math
import re
from datetime import timedelta
from math import floor

import numpy as np
import pandas as pd
import pytest

from cleanroom_kernel.interpreter.errors import HandleError
from tests.unit.interpreter.compare import same

POINTS = {"V10": 1, "V22": 2, "E11": 3, "I50": 4, "I21": 5}
CHRONIC = ["E11", "I50"]
PATTERN = re.compile(r"^([A-Z])(\d+)$", re.IGNORECASE)


def digits(code):
    total = 0
    for letter in code:
        if letter.isdigit():
            total += int(letter)
    return total


def points(code) -> int:
    return POINTS[code]


def severity(code, *, weights={"E": 2.5}, other=1.0):  # noqa: B006 - what is refused below
    return weights.get(code[0], other)


def charlson(row):
    """Points of a row, by helpers and constants."""
    points: int = 0
    if row["code"] in CHRONIC:
        points += POINTS.get(row["code"], 0)
    counts = {}
    for letter in row.code:
        counts[letter] = counts.get(letter, 0)
        counts[letter] += 1
    return points + max(counts.values()) + digits(row["code"])


def parsed(code) -> int:
    found = PATTERN.match(code)
    return int(found.group(2)) if found else None


def season(day):
    first = datetime.datetime(day.year, 1, 1)
    return (day - first) // timedelta(days=91)


def recursive(number):
    return 1 if number <= 1 else number * recursive(number - 1)


def tried(value):
    try:
        return 100 // value
    except ZeroDivisionError:
        return None


K = 3
VALUES = {
    "a lookup in a dictionary": lambda df: df.code.map(points),
    "a lookup that may fail": lambda df: df.code.map(lambda code: POINTS.get(code, len(list(code)))),
    "a loop over letters": lambda df: df.code.apply(digits),
    "text of a number": lambda df: df.age.apply(lambda age: f"{age // 10}0s"),
    "text of a text": lambda df: df.code.map(lambda code: "-".join(sorted(set(code)))),
    "float of a value": lambda df: df.age.apply(lambda age: float(age) * 2),
    "a row, with helpers": lambda df: df.apply(charlson, axis=1),
    "a row as a whole": lambda df: df[["age", "readmitted"]].apply(lambda row: max(row), axis=1),
    "a row's items": lambda df: df[["age", "readmitted"]].apply(
        lambda row: sum(len(name) for name, value in row.items() if value > 0), axis=1
    ),
    "a pattern": lambda df: df.code.apply(parsed),
    "part of a date": lambda df: df.admitted.apply(season),
    "a date as text": lambda df: df.admitted.apply(lambda day: day.strftime("%Y-%m")),
    "recursion": lambda df: df.readmitted.apply(recursive),
    "arguments": lambda df: df.age.apply(lambda age, by, plus=0: int(str(age)[::-1]) // by + plus, args=(K,), plus=1),
    "partial": lambda df: df.age.map(functools.partial(lambda age, by: len(str(age)) * by, by=K)),
    "a function of math": lambda df: df.age.map(floor),
    "a method of text": lambda df: df.code.map(str.swapcase),
    "NumPy and pandas": lambda df: df.los.apply(lambda los: -1.0 if pd.isna(los) else float(np.log1p(los))),
    "an error that is handled": lambda df: df.readmitted.apply(tried),
    "a comprehension": lambda df: df.age.apply(lambda age: sum([n for n in range(age % 5)])),
    "a truth value": lambda df: df.code.apply(lambda code: any(letter == "1" for letter in code)).astype(int),
    "missing values left out": lambda df: df.ward.map(lambda ward: len(list(ward)), na_action="ignore"),
    "a set": lambda df: df.code.map(lambda code: len({*code} & frozenset("V1"))),
    "in an assignment": lambda df: df.assign(n=lambda d: d.code.map(digits)).n,
    "as a transformation": lambda df: df.code.transform(digits),
    "over what was computed": lambda df: (df.age * 2).apply(lambda age: len(str(age))),
    "and computed with": lambda df: df.code.map(digits) * 2 + df.age,
    "a truth value in a filter": lambda df: df[df.code.map(lambda code: len(set(code)) > 2)].age,
    "math": lambda df: df.age.apply(lambda age: math.gcd(int(age), 12)),
}


@pytest.mark.parametrize("program", VALUES.values(), ids=VALUES.keys())
def test_a_row_function_gives_what_pandas_gives(program, stays, table):
    ours, theirs = program(stays), program(table)
    if theirs.dtype.kind in "ifb":
        same(ours.sum(), float(theirs.sum()))
        same(ours.count(), theirs.count())
    else:
        found, wanted = ours.value_counts().sort_index(), theirs.value_counts().sort_index()
        pd.testing.assert_series_equal(found, wanted, check_names=False, check_index_type=False)


def test_its_texts_are_keys_of_groups(stays, table):
    ours, theirs = (
        df.assign(group=df.code.map(lambda code: f"{code[0]}{len(code)}")).groupby("group").age.mean()
        for df in (stays, table)
    )
    pd.testing.assert_series_equal(ours, theirs, check_exact=False, rtol=1e-9, check_index_type=False)


# -- before anything goes to the room ---------------------------------------------------------------------------------
def test_a_mistake_is_an_ordinary_traceback_at_the_experts_line(stays):
    def careless(code):
        letters = list(code)
        return letters[17]

    with pytest.raises(IndexError) as error:
        stays.code.apply(careless)
    lines = [(entry.name, str(entry.statement).strip()) for entry in error.traceback]
    assert ("careless", "return letters[17]") in lines


def test_a_mistake_asks_nothing_of_the_room(here, stays):
    before = len(here.vault.questions)
    with pytest.raises(KeyError):
        stays.code.map(lambda code: {"V10": 1}[code])
    assert len(here.vault.questions) == before


def counted(code, seen=[]):  # noqa: B006 - what this is about
    seen.append(list(code))
    return len(seen)


frame = pd.DataFrame({"a": [1]})
REFUSED = {
    "a default that can be changed": (lambda df: df.code.apply(counted), "default"),
    "a default that is a dictionary": (lambda df: df.code.apply(severity), "default"),
    "another module": (lambda df: df.code.apply(lambda code: len(functools.reduce(max, code))), "functools"),
    "a table": (lambda df: df.code.apply(lambda code: len(list(code)) + frame.a[0]), "frame"),
    "rows": (lambda df: df.code.apply(lambda code, rows: len(list(code)), args=(df.age,)), "rows"),
    "printing": (lambda df: df.code.apply(lambda code: print(*code)), "print"),
    "two kinds": (lambda df: df.age.apply(lambda age: str(age) if age > 50 else int(str(age))), "int and str"),
    "a list": (lambda df: df.code.apply(lambda code: list(code)), "list"),
    "a private name": (lambda df: df.code.apply(lambda code: len(list(code)) + code.__len__()), "__len__"),
    "a file": (lambda df: df.code.apply(lambda code: len(list(open(code)))), "open"),  # noqa: SIM115
}  # fmt: skip


@pytest.mark.parametrize(("program", "word"), REFUSED.values(), ids=REFUSED.keys())
def test_what_it_cannot_take_along_is_named(program, word, stays):
    with pytest.raises((HandleError, OSError)) as error:
        program(stays)
    assert word in str(error.value) or isinstance(error.value, OSError)


def test_a_declared_answer_is_kept_to(stays, table):
    def points(code) -> float:
        return len(set(code))

    assert stays.code.apply(points).dtype == "float64"
    same(stays.code.apply(points).sum(), float(table.code.apply(points).sum()))

    def wrong(code) -> int:
        return str(set(list(code)[:1]) and code)

    with pytest.raises(HandleError, match="declares integer"):
        stays.code.apply(wrong)


def test_identifiers_and_free_text_are_not_read(stays):
    with pytest.raises(Exception, match="text"):
        stays.note.apply(lambda note: len(list(note)))
    with pytest.raises(Exception, match="role"):
        stays.apply(lambda row: len(str(row["pid"])), axis=1)
