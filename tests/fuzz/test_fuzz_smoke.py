"""Seconds of fuzzing: the corpus and changed entries of it, on every decoder. `make fuzz` goes on for minutes."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS, corpus


@pytest.mark.parametrize("name", TARGETS)
def test_what_was_found_once_is_read_or_refused(name):
    for entry in corpus(name):
        TARGETS[name].run(entry)


@st.composite
def changed(draw, entries):
    """An entry cut, doubled, mixed with another, or with some of its bytes changed."""
    data = bytearray(draw(st.sampled_from(entries)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["byte", "insert", "cut", "splice"])):
            case "byte" if place < len(data):
                data[place] = draw(st.integers(0, 255))
            case "insert":
                data[place:place] = draw(st.binary(max_size=8))
            case "cut":
                del data[place : place + draw(st.integers(1, 40))]
            case "splice":
                data[place:] = draw(st.sampled_from(entries))[place:]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_bytes_that_are_nearly_right_are_read_or_refused(name):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(changed(corpus(name)) | st.binary(max_size=200))
    def run(data):
        TARGETS[name].run(data)

    run()
