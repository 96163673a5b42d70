"""A round of kill -9 for each process of a session; `make kills` makes a hundred."""

from tests.integration.killing import VICTIMS, campaign


def test_a_round_for_each_process_leaves_records_whole_and_the_expert_going_on(tmp_path):
    made = campaign(rounds=len(VICTIMS), seed=1, folder=tmp_path)
    assert set(made.killed) == set(VICTIMS)
    assert sum(made.said.values()) == len(VICTIMS)
