"""Rules C1, S4 and S7: numbers, groups and labels need enough patients."""

from cleanroom_kernel.plan.schema import Column, DType
from tests.spec.rulebook import WITHHELD, shows

TEN = """
    id | ward | age
    1  | A | 71
    2  | A | 64
    3  | B | 58
    4  | B | 80
    5  | B | 49
    6  | B | 77
    7  | C | 61
    8  | C | 55
    9  | C | 69
    10 | C | 73
"""


def test_a_mean_over_too_few_patients_is_withheld(spec):
    spec(("patients.age.mean()", WITHHELD), patients="id | age\n1 | 71\n2 | 64")


def test_nobody_and_a_few_get_the_same_words(spec):
    """No answer tells whether there is somebody at all."""
    spec(
        ("patients[patients.age > 100].age.mean()", WITHHELD),
        ("patients[patients.age > 79].age.mean()", WITHHELD),
        patients=TEN,
    )


def test_groups_of_too_few_patients_are_left_out_of_a_table(spec):
    """The label of ward A is data that two patients share, so it is not named either."""
    spec(("patients.groupby('ward').size()", shows({"B": 4, "C": 4})), patients=TEN)


def test_declared_labels_are_all_there_and_few_look_like_none(spec):
    """Ward A has two patients, ward D none. The owner has declared both, so they have a row, and it says nothing."""
    wards = Column("ward", DType.STRING, categories=("A", "B", "C", "D"))
    spec(
        ("patients.groupby('ward').size()", shows({"A": ..., "B": 4, "C": 4, "D": ...})),
        patients=TEN,
        columns=(wards,),
    )


def test_rows_of_one_patient_count_as_one_patient(spec):
    """Six visits, two patients."""
    spec(
        ("visits.cost.mean()", WITHHELD),
        visits="id | cost\n1 | 10\n1 | 12\n1 | 14\n2 | 10\n2 | 11\n2 | 15",
    )


def test_the_least_number_differs_a_little_from_set_to_set(spec):
    """With a jitter, up to so much is added; the same patients always have the same border."""
    spec(
        ("patients[patients.age < 65].age.mean()", WITHHELD),
        ("patients.age.count()", shows(10)),
        patients=TEN,
        policy={"minimum_units": 5, "jitter": 4},
    )


def test_a_variance_takes_twice_as_many(spec):
    spec(
        ("patients[patients.ward == 'B'].age.mean()", shows(66)),
        ("patients[patients.ward == 'B'].age.std()", WITHHELD),
        patients=TEN,
    )


def test_only_values_that_enough_patients_share_are_counted_as_distinct(spec):
    spec(("patients.ward.nunique()", shows(2)), patients=TEN)


def test_public_tables_have_no_patients_to_protect(spec):
    spec(("wards.beds.max()", shows(12)), wards="ward | beds\nA | 7\nB | 12")
