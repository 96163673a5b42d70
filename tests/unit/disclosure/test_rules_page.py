"""The rule book as a page: each rule in words, and where it is held.

`WRITE_PAGES=1 python -m pytest tests/unit/disclosure/test_rules_page.py` writes docs/generated/rules.md.
"""

from __future__ import annotations

import os
from pathlib import Path

from cleanroom_kernel.disclosure.policy import Policy
from cleanroom_kernel.disclosure.rules import DATA, STRUCTURAL, Rule, sentence

PAGE = Path(__file__).parents[3] / "docs" / "generated" / "rules.md"

INTRODUCTION = """# The rules of the gate

Written by tests/unit/disclosure/test_rules_page.py from the rule book itself, with the numbers of the policy
`standard`; `cleanroom policy explain` prints it for the policy of a room. [checks.md](checks.md) names for each rule
about data an attack that succeeds without it.
"""


def page() -> str:
    code, data = ("\n".join(map(_row, rules)) for rules in (STRUCTURAL, DATA))
    return f"{INTRODUCTION}\n## Rules that look at code and schema\n\n{code}\n\n## Rules that look at data\n\n{data}\n"


def _row(rule: Rule) -> str:
    return f"- **{rule.id} {rule.name}.** {sentence(rule.id, Policy().snapshot())} (`{rule.where}`)"


def test_the_page_of_the_rules_is_that_of_the_rule_book():
    if os.environ.get("WRITE_PAGES"):
        PAGE.write_text(page())
    assert PAGE.read_text() == page(), "write it with WRITE_PAGES=1"
