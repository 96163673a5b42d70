"""The policy guide's worked examples and the list of settings, as a page made by the gate itself.

`WRITE_PAGES=1 python -m pytest tests/unit/disclosure/test_policies_page.py` writes docs/generated/policies.md.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from support.rooms import Room, cells, eq, mean, people, size, where

from cleanroom_kernel.disclosure.policy import form
from cleanroom_kernel.plan.schema import Column, DType
from cleanroom_kernel.protocol.release import Release

PAGE = Path(__file__).parents[3] / "docs" / "generated" / "policies.md"
PRESETS = ("relaxed", "standard", "strict")
WARDS = {"A": 300, "B": 80, "C": 27, "D": 6}

INTRODUCTION = """# Policies, by example and in full

Written by tests/unit/disclosure/test_policies_page.py. The answers are the gate's own, over a made-up table of 413
patients with one row each: ward A has 300 of them, B 80, C 27 and D 6. The names of the wards are declared, so that a
ward whose number is hidden is named all the same. The presets are asked alike, each in a room of its own.
"""


def _room(tmp_path, preset: str) -> Room:
    wards = np.repeat(list(WARDS), list(WARDS.values()))
    table = people(len(wards), seed=3, ward=wards)
    declared = Column("ward", DType.STRING, categories=tuple(WARDS))
    return Room({"patients": table}, tmp_path / preset, (declared,), key=b"k" * 32, preset=preset)


QUESTIONS = (
    ("How many patients are in each ward?", lambda room: size(room["patients"], by="ward")),
    ("What do they cost on average?", lambda room: mean(room["patients"], "cost", by="ward")),
    ("What do those of ward C cost?", lambda room: mean(where(room["patients"], eq("ward", "C")), "cost")),
    ("What do those of ward D cost?", lambda room: mean(where(room["patients"], eq("ward", "D")), "cost")),
)


def _said(answer) -> str:
    if not isinstance(answer, Release):
        return "withheld"
    shown = cells(answer)
    if () in shown:
        return f"{shown[()]:,g}"
    return ", ".join(
        f"{label} {'**hidden**' if value is ... else format(value, ',g')}" for label, value in shown.items()
    )


def page(tmp_path) -> str:
    rooms = {preset: _room(tmp_path, preset) for preset in PRESETS}
    lines = [f"| | {' | '.join(PRESETS)} |", "|---|---|---|---|"]
    for words, question in QUESTIONS:
        answers = [_said(room.ask(question(room))) for room in rooms.values()]
        lines.append(f"| {words} | {' | '.join(answers)} |")
    known = form()
    settings = [f"| Setting | {' | '.join(PRESETS)} | Meaning |", "|---|---|---|---|---|"]
    for field in known.fields[1:]:
        values = " | ".join(f"{known.presets[preset][field.name]}" for preset in PRESETS)
        settings.append(f"| `{field.name}` | {values} | {field.help} |")
    return (
        "\n\n".join([INTRODUCTION, "## The same questions", "\n".join(lines), "## Every setting", "\n".join(settings)])
        + "\n"
    )


def test_the_page_of_the_policies_is_what_the_gate_says(tmp_path):
    text = page(tmp_path)
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(text)
    assert PAGE.read_text() == text, "write it with WRITE_PAGES=1"
    assert "withheld" in text
    assert "**hidden**" in text
