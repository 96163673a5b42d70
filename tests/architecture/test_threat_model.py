"""The threat model names files and tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    line.strip("|").split("|")
    for line in (ROOT / "docs" / "threat-model.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| Property")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].strip())
def test_a_property_has_a_file_and_a_test(row):
    _, held, attacked = row
    for name in re.findall(r"`([^`]+)`", held):
        assert (ROOT / "cleanroom_kernel" / name).exists(), name
    (test,) = re.findall(r"`([^`]+)`", attacked)
    path, _, function = test.partition("::")
    text = (ROOT / "tests" / path).read_text()
    assert not function or re.search(rf"^\s*(async )?def {function}\(", text, re.MULTILINE), test


def test_there_are_properties():
    assert len(ROWS) > 25
