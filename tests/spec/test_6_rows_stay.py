"""Rules S1 to S6: what looks only at code and schema, and explains itself."""

from tests.spec.rulebook import impossible, shows

VISITS = "id | visit | cost\n" + "\n".join(f"{unit} | {unit} | {100 + unit}" for unit in range(1, 41))


def test_an_identifier_is_never_a_value(spec):
    spec(
        ("visits[visits.id == 5]", impossible("opaque columns")),
        ("visits.groupby('id').size().value_counts()", shows({1: 40})),
        visits=VISITS,
    )


def test_what_is_used_in_the_next_line_has_passed_the_gate(spec):
    """The mean is shown first, and is a public number from then on."""
    spec(
        ("centred = visits.cost - visits.cost.mean()\ncentred.mean()", shows(0)),
        visits=VISITS,
    )
