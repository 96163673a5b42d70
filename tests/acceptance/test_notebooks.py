"""Notebooks that do what public ones do run unchanged in a clean room, and find what plain pandas finds."""

import pandas as pd
import pytest

from tests.acceptance.replay import NOTEBOOKS as SCRIPTS
from tests.acceptance.replay import agree, in_a_room, outside, plainly, shown_share
from tests.acceptance.studies import DATA, NOTEBOOKS

pytest.importorskip("seaborn")
pytest.importorskip("duckdb")

BUILT_IN = {"hospital_readmission", "hospital_labs"}  # on tables that come with the product


NOISY = {"skew"}  # a mean of third powers


def test_every_notebook_is_replayed():
    assert {path.stem for path in SCRIPTS.glob("*.py")} == set(NOTEBOOKS)
    assert len(NOTEBOOKS) >= 12


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_finds_what_pandas_finds(name, tmp_path):
    """Under a policy that lets everything out, so that every number can be compared."""
    if name not in BUILT_IN and not DATA.exists():
        pytest.skip(f"the tables of {name} are not on this machine")
    outside()
    study = NOTEBOOKS[name]()
    theirs = plainly(name, study, tmp_path / "plain")
    ours = in_a_room(name, study, tmp_path / "room")
    assert list(ours) == list(theirs)
    for question, answer in theirs.items():
        try:
            agree(ours[question], answer)
        except AssertionError as different:
            raise AssertionError(f"{name}: {question}: {different}") from different


@pytest.mark.skipif(not DATA.exists(), reason="diabetes130 is not on this machine")
@pytest.mark.parametrize("name", ["diabetes_eda", "diabetes_features"])
def test_under_the_standard_policy_a_notebook_finds_the_same_up_to_rounding(name, tmp_path):
    outside()
    study = NOTEBOOKS[name]()
    theirs = plainly(name, study, tmp_path / "plain")
    ours = in_a_room(name, study, tmp_path / "room", preset="standard")
    tables = {question: answer for question, answer in theirs.items() if isinstance(answer, (pd.Series, pd.DataFrame))}
    shares = {
        question: shown_share(ours[question], answer, noisy=question in NOISY) for question, answer in tables.items()
    }
    assert sum(shares.values()) / len(shares) > 0.75, shares
