"""Two worlds that differ by one patient's secret. An attack is a function of a room; it fails if both look the same.

The attacker knows everything but the secret: the target is the only patient aged 99, and `serial` tells all apart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.rooms import Room, call, col, people

from cleanroom_kernel.plan.nodes import PlanError
from cleanroom_kernel.protocol.release import Refusal, Release, Withheld

N, TARGET = 2_000, 1_234
KEY = b"the same key in both worlds 32by"

Attack = Callable[[Room], list[Any]]


def table(secret: bool, n: int = N, **columns: Any) -> dict[str, Any]:
    serial = np.arange(n)
    patients = people(n, seed=7, serial=serial, ward=np.array(list("ABCDEFGH"))[serial % 8], **columns)
    patients["age"] = np.minimum(patients["age"], 98)
    patients["age"][TARGET], patients["sex"][TARGET] = 99, "F"
    patients["hiv"][TARGET] = secret
    patients["positive"] = patients["hiv"].astype(int)  # the same as a number that nobody declared to be 0 or 1
    return patients


def world(room_of: Any, secret: bool, **options: Any) -> Room:
    return room_of({"patients": table(secret)}, key=KEY, **options)


def is_target() -> Any:
    return call("equal", col("age"), 99)


def not_target() -> Any:
    return call("not_equal", col("age"), 99)


def outcome(room: Room, question: Callable[[Room], Any]) -> Any:
    """What the attacker sees: an answer, or the refusal that the plan itself is."""
    try:
        aggregate = question(room)
    except PlanError as no:
        return no
    return room.ask(aggregate)


def seen(answer: Any) -> Any:
    """Kind, text and shape of an answer, without its numbers."""
    if isinstance(answer, Release):
        grid = answer.payload
        return "release", grid.rows, grid.columns, grid.suppressed
    if isinstance(answer, PlanError):
        return type(answer).__name__, str(answer)
    return answer


def both(room_of: Any, *questions: Callable[[Room], Any], **options: Any) -> tuple[list[Any], list[Any]]:
    """Answers to a sequence of questions in both worlds, which must look alike but for their numbers."""
    rooms = [world(room_of, secret, **options) for secret in (False, True)]
    answers = [[outcome(room, question) for question in questions] for room in rooms]
    assert [seen(answer) for answer in answers[0]] == [seen(answer) for answer in answers[1]]
    return answers[0], answers[1]


def stopped(answer: Any) -> bool:
    return isinstance(answer, (Withheld, Refusal, PlanError))


def value(answer: Any) -> float:
    return float(answer.payload.values[0][0])


def all_stopped(room_of: Any, *questions: Callable[[Room], Any], **options: Any) -> None:
    """Every question ends withheld or refused, in both worlds alike."""
    for answers in both(room_of, *questions, **options):
        assert all(stopped(answer) for answer in answers), answers


def repeats(answer: Any, earlier: list[Any]) -> bool:
    """Whether an answer is nothing but a number that was released before."""
    known = {cell for other in earlier for column in other.payload.values for cell in column}
    return "as released before" in answer.receipt.precision and {c for v in answer.payload.values for c in v} <= known


def last_tells_nothing(room_of: Any, *questions: Callable[[Room], Any], **options: Any) -> None:
    """All but the last question are answered; the last, which would complete the attack, is not, or with a number
    that was released before.
    """
    for *earlier, last in both(room_of, *questions, **options):
        assert all(isinstance(answer, Release) for answer in earlier), earlier
        assert stopped(last) or repeats(last, earlier), last


def tells_little(room_of: Any, *questions: Callable[[Room], Any], keys: int = 12) -> None:
    """The last answer comes with noise (C17): between the worlds it differs by less than it does between keys, so that
    who sees it guesses the secret hardly better than who does not.
    """
    found: list[list[float]] = [[], []]
    for number in range(keys):
        for secret in (False, True):
            room = room_of({"patients": table(secret)}, key=f"key {number}".ljust(32).encode())
            *_, last = [outcome(room, question) for question in questions]
            assert isinstance(last, Release), last
            assert "noise" in last.receipt.precision
            found[secret].append(value(last))
    spread = np.std([np.subtract(side, np.mean(side)) for side in found])
    assert abs(np.mean(found[True]) - np.mean(found[False])) <= 1.5 * spread


def would_succeed(room_of: Any, *questions: Callable[[Room], Any], tells: Callable[..., float]) -> None:
    """Without protection, the numbers differ between the worlds: the attack is one."""
    found = []
    for secret in (False, True):
        room = world(room_of, secret, preset="permissive")
        found.append(tells(*(value(outcome(room, question)) for question in questions)))
    assert found[0] != pytest.approx(found[1], abs=1e-12, rel=1e-9)
