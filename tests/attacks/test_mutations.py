"""The gate, mutated: with any one of its checks switched off, an attack succeeds that fails while all are on.

An attack asks a room of a few public facts and one secret, and says what it has learned of it, or nothing. It has
succeeded if what it says is right in some of its worlds and wrong in none, or if somebody who knows all but the secret
tells all worlds apart by the numbers. Each case runs it twice: under the policy as it is, and with one check off.
Checks are switched off here, by patching, or by a setting of the policy; the product has no switch for them. Where the
attacker is given exact numbers (`EXACT`), the case is about what does not rest on rounding.

A check that has no case fails the tests below. One without which nothing succeeds, because another one says no to
whatever it says no to, is in `IMPLIED` with that other, and has to show that both off let an attack through.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from support.learning import LearningRoom
from support.mutation_attacks import Observed
from support.mutation_cases import BORDER_OF, CASE_OF_RULE, CASES, IMPLIED, Case
from support.mutation_words import IN_WORDS
from support.mutation_worlds import Tables
from support.worlds import KEY

from cleanroom_kernel.disclosure import models
from cleanroom_kernel.disclosure.policy import Policy, PolicySnapshot
from cleanroom_kernel.disclosure.risks import APPLIES, EVALUATION_CHECKS, MODEL_CHECKS, Check, Mitigation
from cleanroom_kernel.disclosure.rules import BOOK, DATA, OF_CHECK, OF_MITIGATION


class Scene(LearningRoom):
    """A room, and what else an attacker has: other sessions in it, and a table of their own without the secret."""

    def __init__(self, tables: Tables, own: Tables, state: Any, **options: Any) -> None:
        super().__init__(tables, state, key=KEY, **options)
        rooms = itertools.count()
        self.another_vault = lambda: LearningRoom(tables, state, key=KEY, **options)
        self.known = own["patients"]
        self.of_the_attacker = lambda tables=own, **other: LearningRoom(
            tables, state / f"own {next(rooms)}", keyed_seeds=False, **other
        )


def learned(case: Case, state: Any, **settings: Any) -> bool:
    """Whether the attack was right somewhere and wrong nowhere, or told all worlds apart."""
    own = case.worlds[0][0]
    said = []
    for number, (tables, secret) in enumerate(case.worlds):
        room = Scene(tables, own, state / f"world {number}", **{**case.settings, **settings})
        said.append((case.attack(room), secret))
    known = [(told, secret) for told, secret in said if told is not None]
    if any(isinstance(told, Observed) for told, _ in known):
        return len({told for told, _ in known}) == len(case.worlds)
    return bool(known) and all(told == secret for told, secret in known)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_attack_that_a_check_stops_succeeds_without_it(case, tmp_path, monkeypatch):
    assert not learned(case, tmp_path / "on")
    case.off(monkeypatch)
    assert learned(case, tmp_path / "off", **case.policy)


@pytest.mark.parametrize("implied", IMPLIED, ids=lambda implied: f"{implied.case.name}, {implied.by}")
def test_a_check_that_another_one_implies_is_missed_without_both(implied, tmp_path, monkeypatch):
    case = implied.case
    assert not learned(case, tmp_path / "on")
    case.off(monkeypatch)
    assert not learned(case, tmp_path / "off", **case.policy)
    implied.with_it(monkeypatch)
    assert learned(case, tmp_path / "both off", **case.policy, **implied.policy_with_it)


@pytest.mark.parametrize("preset", ["standard", "strict", "relaxed"])
def test_scores_of_enough_patients_have_the_minimum_count(preset):
    """The minimum count of a score is implied by the size of an evaluation, and by that alone."""
    policy = Policy.from_settings({"preset": preset}).snapshot()
    assert policy.evaluation_units >= policy.minimum_units + policy.jitter


SUBJECTS = [(case.check, case.place) for case in (*CASES, *(implied.case for implied in IMPLIED))]

BY_ARITHMETIC = [(Check.UNITS, "evaluation")]


@pytest.mark.parametrize(
    "subject",
    sorted(
        {(check, "cell") for checks_of_kind in APPLIES.values() for check in checks_of_kind}
        | {(check, "evaluation") for check in EVALUATION_CHECKS if check is not Check.EVALUATION}
        | {(check, "model") for check in MODEL_CHECKS},
        key=str,
    ),
    ids=str,
)
def test_every_check_of_a_cell_a_score_and_a_fit_has_its_attack(subject):
    assert subject in (*SUBJECTS, *BY_ARITHMETIC)


@pytest.mark.parametrize("subject", [*Check, *Mitigation, *models._JUDGES], ids=str)
def test_every_check_mitigation_and_judge_of_models_has_its_attack(subject):
    assert subject in {check for check, _ in SUBJECTS}


@pytest.mark.parametrize("setting", [name for name in PolicySnapshot.__struct_fields__ if name != "preset"])
def test_every_number_of_the_policy_has_its_attack(setting):
    assert BORDER_OF.get(setting, setting) in {check for check, _ in SUBJECTS}


@pytest.mark.parametrize("rule", [rule.id for rule in DATA])
def test_every_rule_about_data_has_its_attack(rule):
    standing = [thing for table in (OF_CHECK, OF_MITIGATION) for thing, id in table.items() if id == rule]
    standing += [CASE_OF_RULE[rule]] if rule in CASE_OF_RULE else []
    assert {check for check, _ in SUBJECTS} & set(standing)


def test_no_case_is_left_of_a_setting_that_is_gone():
    known = {*PolicySnapshot.__struct_fields__, "C14", "weak features", "numbers that few decide", "class weights"}
    assert {check for check, _ in SUBJECTS if isinstance(check, str)} <= known


PAGE = Path(__file__).parents[2] / "docs" / "generated" / "checks.md"


def page() -> str:
    lines = [
        "# What each check stops",
        "",
        "Written by `PYTHONPATH=tests:. python tests/attacks/test_mutations.py` from `support.mutation_cases`. Its",
        "tests run every attack: it fails under the policy as it is, and succeeds with that one check off. The rules",
        "themselves are printed by `cleanroom policy explain`.",
        "",
        "| Check, mitigation, judge of models or setting | Rule | Attack that it stops |",
        "|---|---|---|",
    ]
    lines += [f"| {case.name} | {_rule_of(case.check)} | {IN_WORDS[case.name]} |" for case in CASES]
    lines += ["", "Not missed alone, because another one says no as well; without both, the attack succeeds:", ""]
    lines += ["| Check | Implied by | Attack that both stop |", "|---|---|---|"]
    lines += [f"| {one.case.name} | {_name_of(one.by)} | {IN_WORDS[one.case.name]} |" for one in IMPLIED]
    return "\n".join(lines) + "\n"


def _name_of(thing: Any) -> str:
    return str(getattr(thing, "value", getattr(thing, "__name__", thing)))


def _rule_of(thing: Any) -> str:
    """The rule of the book; of a number of the policy, those that name it."""
    if thing in BOOK:
        return str(thing)
    if isinstance(thing, type):
        return "C10"
    if isinstance(thing, Check):
        return OF_CHECK[thing]
    if isinstance(thing, Mitigation):
        return OF_MITIGATION[thing]
    return ", ".join(rule.id for rule in BOOK.values() if f"{{{thing}" in rule.sentence)


def test_every_attack_is_told_in_words():
    assert sorted(IN_WORDS) == sorted({case.name for case in (*CASES, *(implied.case for implied in IMPLIED))})


def test_the_page_of_checks_is_current():
    assert PAGE.read_text() == page(), "PYTHONPATH=tests:. python tests/attacks/test_mutations.py writes it"


if __name__ == "__main__":
    PAGE.write_text(page())
