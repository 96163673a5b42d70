"""Rule C3: a group in which nearly all are alike says something of each of them."""

from tests.spec.rulebook import WITHHELD, shows

BOTH = "id | ward | ill\n1..6 | A | yes\n7..12 | A | no\n13..24 | B | no\n25..26 | B | yes"


def test_a_share_needs_enough_of_either_kind(spec):
    """In ward B two of fourteen are ill: to show it would name them, or nearly."""
    spec(("patients.groupby('ward').ill.mean()", shows({"A": 0.5})), patients=BOTH)


def test_everybody_is_as_telling_as_nobody(spec):
    spec(
        ("patients.ill.mean()", WITHHELD),
        ("(~patients.ill).mean()", WITHHELD),
        ("patients.ill.sum()", WITHHELD),
        patients="id | ill\n1..20 | yes",
    )


def test_a_number_that_nearly_all_share_is_not_shown(spec):
    """Nineteen cost nothing: the mean is the cost of the twentieth."""
    spec(
        ("patients.cost.mean()", WITHHELD),
        ("patients.cost.median()", WITHHELD),
        patients="id | cost\n1..19 | 0\n20 | 480",
    )


def test_a_condition_inside_a_measure_needs_enough_patients(spec):
    """Whatever the costs are: the condition is about patient 8 alone."""
    spec(
        ("patients.cost.where(patients.age == 99, 0).sum()", WITHHELD),
        ("patients.cost.where(patients.age > 60, 0).sum()", shows(204)),
        patients="""
            id | age | cost
            1..4 | 55 | 40
            5 | 70 | 61
            6 | 71 | 44
            7 | 72 | 52
            8 | 99 | 47
        """,
    )
