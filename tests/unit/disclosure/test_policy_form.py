"""The form of the owner's panel is made of the settings themselves, and says of each what is wrong with it."""

from __future__ import annotations

import pytest

from cleanroom_kernel.disclosure.policy import PRESETS, Policy, PolicySnapshot, form, wrong

FIELDS = {field.name: field for field in form().fields}


def test_the_form_has_every_setting_with_its_own_help():
    assert tuple(FIELDS) == PolicySnapshot.__struct_fields__
    assert all(field.help == Policy.class_traits()[name].help for name, field in FIELDS.items())
    assert set(form().presets) == set(PRESETS)
    assert all(set(preset) == set(FIELDS) for preset in form().presets.values())


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_can_be_saved(preset):
    assert wrong(form().presets[preset]) == ()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("minimum_units", -1, "A whole number of at least 0"),
        ("minimum_units", 2.5, "A whole number"),
        ("minimum_units", "ten", "A whole number"),
        ("minimum_units", True, "A whole number"),
        ("dominance_share", 1.5, "A number from 0 to 1"),
        ("significant_digits", 18, "from 1 to 17"),
        ("endpoints", 1, "Yes or no"),
        ("preset", "lax", "One of standard, strict, relaxed, permissive"),
        ("minimum", 10, "no such setting"),
    ],
)
def test_what_is_wrong_is_said_of_its_own_field(name, value, words):
    (found,) = wrong({"preset": "standard", name: value} if name != "preset" else {name: value})
    assert found.name == name
    assert words in found.message


def test_what_the_form_takes_the_policy_takes():
    """A whole number where any number may stand is that number."""
    assert wrong({"effective_units": 5}) == ()
    assert Policy.from_settings({"effective_units": 5}).snapshot() == Policy.from_settings({}).snapshot()
