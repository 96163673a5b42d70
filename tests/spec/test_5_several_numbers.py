"""Rules C5, C6, C8, C13 and C14: what was shown before counts."""

from tests.spec.rulebook import WITHHELD, refused, shows

COSTS = "id | ward | cost\n" + "\n".join(f"{unit} | {'AB'[unit % 2]} | {100 + unit}" for unit in range(1, 61))
WARDS = COSTS + "\n61 | C | 130\n62 | C | 131"


def test_a_number_about_nearly_the_same_patients_repeats_the_earlier_one(spec):
    """Whether the filter drops nobody, one or two patients makes no difference to the answer."""
    spec(
        ("patients.cost.sum()", shows(7830)),
        ("patients[patients.cost < 160].cost.sum()", shows(7830)),
        ("patients[patients.cost < 900].cost.sum()", shows(7830)),
        ("patients[patients.cost < 150].cost.sum()", shows(6125)),
        patients=COSTS,
    )


def test_another_statistic_of_nearly_the_same_patients_is_withheld(spec):
    spec(
        ("patients.cost.mean()", shows(130.5)),
        ("patients[patients.cost < 160].cost.sum()", WITHHELD),
        ("patients.cost.sum()", shows(7830)),
        patients=COSTS,
    )


def test_a_total_that_completes_a_suppressed_group_is_withheld(spec):
    """Ward C has two patients. The total minus wards A and B would show their costs."""
    spec(
        ("patients.groupby('ward').cost.sum()", shows({"A": 3930, "B": 3900})),
        ("patients.cost.mean()", WITHHELD),
        patients=WARDS,
    )


def test_with_the_total_known_a_second_group_is_suppressed(spec):
    """Else it would give away the first."""
    spec(
        ("patients.cost.mean()", shows(130.5)),
        ("patients.groupby('ward').cost.mean()", shows({"A": 131})),
        patients=WARDS,
    )


def test_totals_of_a_table_are_of_the_cells_that_it_shows(spec):
    people = "1..20 | A | yes\n21..30 | A | no\n31..40 | B | yes\n41..60 | B | no\n61..62 | C | no"
    spec(
        (
            "pd.crosstab(patients.ward, patients.old, margins=True)['All']",
            shows({"A": 30, "B": 30, "All": 60}),
        ),
        patients=f"id | ward | old\n{people}",
    )


def test_three_ordinary_counts_do_not_add_up_to_one_patient(spec):
    """A tracker: (women or she) + (men or she) - everybody = she."""
    people = "id | sex | age | ill\n" + "\n".join(
        f"{unit} | {'FM'[unit % 2]} | {30 + unit % 40} | {'yes' if unit % 3 else 'no'}" for unit in range(1, 60)
    )
    spec(
        ("patients[(patients.sex == 'F') | (patients.age == 99)].ill.sum()", shows(20)),
        ("patients[(patients.sex == 'M') | (patients.age == 99)].ill.sum()", shows(20)),
        ("patients.ill.mean()", WITHHELD),
        patients=f"{people}\n60 | F | 99 | no",
    )


def test_the_same_question_has_the_same_answer(spec):
    spec(
        ("patients.cost.sum()", shows(7830)),
        ("patients.cost.sum()", shows(7830)),
        patients=COSTS,
        policy={"released_floor": 1, "released_share": 0.0},
    )


def test_a_measure_has_so_many_independent_numbers(spec):
    spec(
        ("patients.groupby('ward').cost.sum()", shows({"A": 3930, "B": 3900})),
        ("patients[patients.cost < 140].cost.sum()", refused("budget")),
        patients=COSTS,
        policy={"released_floor": 2, "released_share": 0.0},
    )


def test_after_so_many_denials_the_owner_must_be_asked(spec):
    """The same question again is not counted."""
    spec(
        ("patients[patients.cost > 159].cost.mean()", WITHHELD),
        ("patients[patients.cost > 159].cost.mean()", WITHHELD),
        ("patients[patients.cost > 158].cost.mean()", WITHHELD),
        ("patients.cost.mean()", refused("denials")),
        patients=COSTS,
        policy={"denials": 2},
    )
