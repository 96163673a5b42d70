"""The rule book as a page: each rule in words, where it is held, and the attack that succeeds without it.

`WRITE_PAGES=1 python -m pytest tests/attacks/test_rules_page.py` writes docs/generated/rules.md.
"""

from __future__ import annotations

import os
from pathlib import Path

from test_mutations import CASE_OF_RULE, CASES, IMPLIED

from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.disclosure.rules import DATA, OF_CHECK, OF_MITIGATION, STRUCTURAL, Rule, sentence

PAGE = Path(__file__).parents[2] / "docs" / "generated" / "rules.md"

INTRODUCTION = """# The rules of the gate

Written by tests/attacks/test_rules_page.py from the rule book itself, with the numbers of the policy `standard`;
`cleanroom policy explain` prints it for the policy of a room. Each rule about data is needed: with it switched off, an
attack of `tests/attacks/test_mutations.py` succeeds that fails while all rules are on. `tests/attacks` holds many more.
"""


def page() -> str:
    lines = [INTRODUCTION, "## Rules that look at code and schema", ""]
    lines += [_row(rule) for rule in STRUCTURAL]
    lines += ["", "## Rules that look at data", ""]
    for rule in DATA:
        lines += [_row(rule), *(f"  - attack: `{name}`" for name in _attacks(rule))]
    return "\n".join(lines) + "\n"


def _row(rule: Rule) -> str:
    told = sentence(rule.id, Policy().snapshot())
    return f"- **{rule.id} {rule.name}.** {told} (`{rule.where}`)"


def _attacks(rule: Rule) -> list[str]:
    subjects = {thing for table in (OF_CHECK, OF_MITIGATION) for thing, id in table.items() if id == rule.id}
    subjects |= {CASE_OF_RULE[rule.id]} if rule.id in CASE_OF_RULE else set()
    cases = [*CASES, *(implied.case for implied in IMPLIED)]
    return sorted({case.name for case in cases if case.check in subjects})


def test_the_page_of_the_rules_is_that_of_the_rule_book():
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "write it with WRITE_PAGES=1"


def test_every_rule_about_data_names_its_attack():
    assert all(_attacks(rule) for rule in DATA)
