"""What an expert has had of their budgets, as the owner's server reads it from the ledger that the gate writes."""

from __future__ import annotations

from support.rooms import Room, eq, mean, people, size, where

from cleanroom_kernel import audit
from cleanroom_kernel.disclosure import ledger
from cleanroom_kernel.server import budgets


def spent(room, expert):
    with audit.reading(room.database) as connection:
        return budgets.spent_by(connection, expert)


def test_it_is_what_the_gate_counts_of_this_expert_alone(tmp_path):
    wards = ["A"] * 300 + ["B"] * 6
    room = Room({"patients": people(306, ward=wards)}, tmp_path)
    room.ask(size(room["patients"], by="ward"))
    for age in (200, 201):
        room.ask(mean(where(room["patients"], eq("age", age)), "cost"))
    with room.ledger.book() as book:
        gate = book.denials_of("ada"), book.suppressed_for("ada")
    found = spent(room, "ada")
    assert (found.denials, found.suppressed_cells) == gate
    assert found.denials == 2
    assert spent(room, "bea") == budgets.Spent(0, 0)


def test_the_days_are_the_gates():
    assert budgets.DAYS * 24 * 3600 == ledger.WINDOW


def test_before_there_is_a_ledger_nothing_is_spent(tmp_path):
    with audit.reading(audit.engine(tmp_path)) as connection:
        assert budgets.spent_by(connection, "ada") == budgets.Spent(0, 0)
