"""Heavy work: so much at a time, and experts in turn."""

from cleanroom_kernel.server.turns import Turns


class Work:
    def __init__(self, most):
        self.turns, self.given = Turns(most), []

    def want(self, who, expert=None):
        self.turns.want(who, expert or who[0], lambda: self.given.append(who))


def test_no_more_work_at_a_time_than_is_allowed():
    work = Work(2)
    for who in ("a1", "b1", "c1"):
        work.want(who)
    assert work.given == ["a1", "b1"]
    work.turns.over("a1")
    assert work.given == ["a1", "b1", "c1"]


def test_an_expert_with_many_searches_does_not_hold_up_another():
    work = Work(1)
    for who in ("a1", "a2", "a3", "b1"):
        work.want(who)
    for _ in range(3):
        work.turns.over(work.given[-1])
    assert work.given == ["a1", "b1", "a2", "a3"]


def test_who_has_fewest_at_work_is_next():
    work = Work(2)
    for who in ("a1", "a2", "a3", "b1"):
        work.want(who)
    assert work.given == ["a1", "a2"]
    work.turns.over("a1")
    assert work.given[-1] == "b1"


def test_who_is_gone_holds_no_turn_and_no_place():
    work = Work(1)
    for who in ("a1", "b1", "c1"):
        work.want(who)
    work.turns.over("b1")
    work.turns.over("a1")
    assert work.given == ["a1", "c1"]


def test_a_second_wish_gets_no_second_turn():
    work = Work(3)
    for _ in range(3):
        work.want("a1")
    assert work.given == ["a1"]
