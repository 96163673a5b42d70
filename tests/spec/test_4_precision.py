"""Rules C4 and C7: what is shown shows no digit that one patient decides."""

from tests.spec.rulebook import WITHHELD, refused, shows

ROUNDED = {"influence_rounding": True, "significant_digits": 4}

AGES = "id | age\n" + "\n".join(f"{unit} | {20 + unit}" for unit in range(1, 41))


def test_counts_are_rounded_to_a_base(spec):
    spec(("len(patients)", shows(40)), ("len(patients[patients.age < 58])", shows(35)), patients=AGES,
         policy={"count_base": 5})  # fmt: skip


def test_a_mean_keeps_the_digits_that_no_patient_decides(spec):
    """The true mean is 40.5; leaving out a patient moves it by up to half a year, so it is shown in steps of two."""
    spec(("patients.age.mean()", shows(40)), patients=AGES, policy=ROUNDED)


def test_with_more_patients_more_digits_are_left(spec):
    many = "id | age\n" + "\n".join(f"{unit} | {20 + unit % 40}" for unit in range(1, 2001))
    spec(("patients.age.mean()", shows(39.5)), patients=many, policy=ROUNDED)


def test_a_share_is_the_ratio_of_the_counts_that_would_be_shown(spec):
    spec(
        ("patients.ill.sum()", shows(10)),
        ("len(patients)", shows(40)),
        ("patients.ill.mean()", shows(0.25)),
        patients="id | ill\n1..11 | yes\n12..40 | no",
        policy={"count_base": 5},
    )


def test_a_median_is_the_mean_of_its_neighbours(spec):
    """The mean of the four ages around the middle; one that everybody shares would be shown as it is."""
    spec(("patients.age.median()", shows(40.5)), patients=AGES)


def test_a_quantile_needs_enough_patients_on_either_side(spec):
    spec(
        ("patients.age.quantile(0.05)", WITHHELD),
        ("patients.age.quantile(0.1)", shows(24.5)),
        patients=AGES,
    )


def test_extremes_are_one_persons_value(spec):
    spec(("patients.age.max()", refused("endpoints")), patients=AGES)
