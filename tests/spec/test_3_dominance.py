"""Rule C2: one or two patients must not make up a number."""

from tests.spec.rulebook import WITHHELD, shows

COSTS = """
    id | ward | cost
    1  | A | 9000
    2  | A | 100
    3  | A | 120
    4  | A | 90
    5  | B | 110
    6  | B | 130
    7  | B | 95
    8  | B | 150
"""


def test_a_sum_that_one_patient_makes_up_is_not_shown(spec):
    spec(("patients.groupby('ward').cost.sum()", shows({"B": 485})), patients=COSTS)


def test_most_rows_of_one_patient_are_not_many_patients(spec):
    """Four patients, but two thirds of the visits are patient 1's."""
    spec(
        ("visits.pain.mean()", WITHHELD),
        ("len(visits)", WITHHELD),
        visits="id | pain\n1 | 7\n1 | 8\n1 | 7\n1 | 9\n1 | 8\n1 | 7\n2 | 3\n3 | 4\n4 | 2",
    )


def test_weights_that_encode_everybody_are_not_shown(spec):
    """One exact number would hold each patient's secret in a digit of its own."""
    secrets = "\n".join(f"{unit} | {2**unit} | {unit % 3 % 2}" for unit in range(1, 31))
    spec(("(patients.ill * patients.weight).sum()", WITHHELD), patients=f"id | weight | ill\n{secrets}")


def test_a_patient_far_outside_is_not_shown_even_in_a_mean(spec):
    """How coarse the mean is would tell how large the value is."""
    ages = "\n".join(f"{unit} | {40 + unit}" for unit in range(1, 40))
    spec(("patients.n.mean()", WITHHELD), patients=f"id | n\n{ages}\n40 | 900",
         policy={"influence_rounding": True})  # fmt: skip


def test_an_infinite_sum_tells_that_somebody_is_the_reason(spec):
    values = "\n".join(f"{unit} | {unit}" for unit in range(20))
    spec(("(1 / patients.n).sum()", WITHHELD), patients=f"id | n\n{values}")
