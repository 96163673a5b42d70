"""Attacks of the mutation tests by counts, sums and tables.

Promise: an attack asks a room and says what it has learned of the secret, or None. It may also give back the numbers by
which somebody who knows all else tells the worlds apart (`Observed`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from support.mutation_worlds import GROUPS, IS_TARGET, NOT_TARGET, amount_if_negative
from support.rooms import call, cells, col, eq, isin, lit, mean, size, summary, total, where
from support.worlds import stopped

from cleanroom_kernel.plan import aggregates as a
from cleanroom_kernel.plan.expressions import Cast, Named
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.protocol.release import Refusal, Release

UNROUNDED = {"significant_digits": 17, "influence_rounding": False}


class Observed(tuple[float, ...]):
    """Numbers by which somebody who knows all but the secret tells the worlds apart."""


def shown(answer: Any, column: int = 0, row: int = 0) -> float | None:
    """A number of an answer; None if there is none."""
    if stopped(answer) or not answer.payload.rows or answer.payload.suppressed[column][row]:
        return None
    number = answer.payload.values[column][row]
    return None if number is None else float(number)


def more_than(border: float, question: Callable[[Any], Any], row: int = 0) -> Callable[[Any], Any]:
    """Whether a single number is above what it can be if the secret is no."""

    def attack(room: Any) -> bool | None:
        number = shown(room.ask(question(room["patients"])), row=row)
        return True if number is not None and number > border else None

    return attack


def a_count_of_a_few(room: Any) -> bool | None:
    """Two known patients, and the target if positive: three are rounded up, two down."""
    few = call("or", isin("serial", (1, 2)), call("and", IS_TARGET, col("hiv")))
    number = shown(room.ask(summary(where(room["patients"], few), a.Units())))
    return None if number is None else number > 0


def everybody_positive(room: Any) -> bool | None:
    """A share of one says it of each patient in the ward."""
    share = shown(room.ask(mean(where(room["patients"], eq("ward", "A")), "hiv")))
    return True if share == 1.0 else None


def the_exact_median(room: Any) -> float | None:
    return shown(room.ask(summary(room["patients"], a.Quantile(col("cost"), 0.5))))


def codes_with_and_without(room: Any) -> bool | None:
    """A code of nine known positive patients, and of the target: if leaving the target out makes it too rare to be
    counted, the target was among them.
    """
    positive = where(room["patients"], col("hiv"))
    first = shown(room.ask(summary(positive, a.Distinct(col("code")))))
    second = shown(room.ask(summary(where(positive, NOT_TARGET), a.Distinct(col("code")))))
    return True if first is not None and second is not None and first > second else None


def tracker(room: Any) -> bool | None:
    """Women and the target, men and the target, everybody: the target is counted once too often."""
    women = eq("sex", "F")
    parts = (
        where(room["patients"], call("or", IS_TARGET, women)),
        where(room["patients"], call("or", IS_TARGET, call("not", women))),
        room["patients"],
    )
    numbers = [shown(room.ask(total(part, "hiv"))) for part in parts]
    if None in numbers:
        return None
    return numbers[0] + numbers[1] - numbers[2] == 1


def exactly(number: float, question: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Whether a single number is what it is if the secret is yes."""
    return lambda room: True if shown(room.ask(question(room["patients"]))) == number else None


def a_number_of(question: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A single number, by which somebody who knows all but the secret tells the worlds apart."""

    def attack(room: Any) -> Observed | None:
        number = shown(room.ask(question(room["patients"])))
        return None if number is None else Observed([number])

    return attack


def powers_of(exponent: float) -> Callable[[Any], Any]:
    return lambda over: mean(over, call("power", col("cost"), exponent))


def the_nearest_of(worlds: Sequence[tuple[Any, Any]], *questions: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The secret whose numbers, without noise, are nearer to those that are shown, in units of their difference."""

    def attack(room: Any) -> Any:
        (one, first), (other, second) = worlds
        found = [shown(room.ask(question(room["patients"]))) for question in questions]
        low, high = (_without_noise(room, tables, questions) for tables in (one, other))
        places = [(n - a) / (b - a) for n, a, b in zip(found, low, high, strict=True) if n is not None]
        return None if not places else second if sum(places) > len(places) / 2 else first

    return attack


def _without_noise(room: Any, tables: Any, questions: Sequence[Callable[[Any], Any]]) -> list[float]:
    own = room.of_the_attacker(tables, **UNROUNDED, free_noise=0.0, free_answers=10**9)
    return [shown(own.ask(question(own["patients"]))) for question in questions]


def a_group_that_is_not_shown(room: Any) -> Observed:
    """The median of all wards, the target's among them, which is too small to be shown itself."""
    numbers = cells(room.ask(summary(room["patients"], a.Quantile(col("cost"), 0.5), by="ward", margins=True)))
    return Observed(number for number in numbers.values() if number is not ...)


def a_secret_in_a_label(room: Any) -> bool | None:
    """Whatever is asked of it, that the label is there is the answer."""
    secret = call("where", IS_TARGET, Cast(col("positive"), DType.STRING), lit("others"))
    answer = room.ask(mean(room["patients"], "cost", by=(Named("label", secret),)))
    named = {row[0] for row in answer.payload.rows}
    return {"0": False, "1": True}.get(*(named - {"others"})) if named - {"others"} else None


def is_shown(question: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Nine known patients, and the target if the secret is yes: ten are shown. One try: others have another border."""
    return lambda room: None if stopped(room.ask(question(room["patients"]))) else True


class Mostly(tuple[bool, ...]):
    """Secrets of many, of which four in five have to be right; a guess has half of them."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, tuple) and np.mean(np.array(self) == np.array(other)) >= 0.8

    __hash__ = None


def reconstruction(cohort: int, times: int) -> Callable[[Any], Any]:
    """Sums over halves of a cohort, filled up with everybody else, as equations of its secrets."""

    def attack(room: Any) -> Mostly | None:
        everybody = shown(room.ask(total(room["patients"], "amount")))
        known = amount_if_negative(np.arange(cohort))
        equations, sums = [], []
        for step in range(times):
            chosen = call("or", call("greater_equal", col("serial"), cohort), half(step))
            answer = room.ask(total(where(room["patients"], chosen), "amount"))
            if shown(answer) is not None and "as released before" not in answer.receipt.precision:
                equations.append(~half_of(np.arange(cohort), step))
                sums.append(known[equations[-1]].sum() - (everybody - shown(answer)))
        return solved(equations, sums)

    return attack


def by_rounding(targets: int) -> Callable[[Any], Any]:
    """1002 known patients, and one more if positive: 1000, or 1005."""

    def attack(room: Any) -> tuple[bool, ...] | None:
        numbers = []
        for target in range(targets):
            first = 100 + 20 * target
            known = call("and", call("greater_equal", col("serial"), first), call("less", col("serial"), first + 1_002))
            over = call("or", known, call("and", eq("serial", target), col("hiv")))
            numbers.append(shown(room.ask(size(where(room["patients"], over)))))
        return None if None in numbers else tuple(number > 1_002 for number in numbers)

    return attack


def solved(equations: list[Any], sums: list[float]) -> Mostly | None:
    if not equations:
        return None
    found, *_ = np.linalg.lstsq(np.array(equations, dtype=float), np.array(sums), rcond=None)
    return Mostly((found > 0.5).tolist())


def half_of(serial: Any, step: int) -> Any:
    """A half of the patients that looks like chance."""
    return (serial + 13) * (serial + 7 * step + 1) * 7919 % 1009 < 504


def half(step: int) -> Any:
    mixed = call("multiply", call("add", col("serial"), 13), call("add", col("serial"), 7 * step + 1))
    return call("less", call("modulo", call("multiply", mixed, 7919), 1009), 504)


def searching(ask: Callable[[Any, int], Any]) -> Callable[[Any], Any]:
    """Each group has nine known patients, and one more if positive: whether it is shown is asked one by one."""

    def attack(room: Any) -> tuple[bool, ...] | None:
        told = [ask(room, group) for group in range(GROUPS)]
        return None if None in told else tuple(told)

    return attack


def by_denial(room: Any, group: int) -> bool | None:
    answer = room.ask(size(where(room["patients"], eq("group", group))))
    return None if isinstance(answer, Refusal) else isinstance(answer, Release)


def by_suppressed_cell(room: Any, group: int) -> bool | None:
    answer = room.ask(summary(room["patients"], a.Distinct(col("sex")), by=(Named("chosen", eq("group", group)),)))
    if isinstance(answer, Refusal):
        return None
    return isinstance(answer, Release) and cells(answer)[True] is not ...


def in_one_table(room: Any) -> tuple[bool, ...]:
    numbers = cells(room.ask(size(room["patients"], by="group")))
    return tuple(group in numbers for group in range(GROUPS))


def two_experts(room: Any) -> bool | None:
    """Each asks one half, from a session of its own."""
    first = shown(room.ask(summary(where(room["patients"], col("hiv")), a.Distinct(col("code")))))
    eve = room.another_vault()
    without = where(where(eve["patients"], col("hiv")), NOT_TARGET)
    second = shown(eve.ask(summary(without, a.Distinct(col("code"))), expert="eve"))
    return True if first is not None and second is not None and first > second else None
