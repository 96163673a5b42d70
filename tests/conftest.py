"""Fixtures that all tests share."""

import itertools
import os

import pytest
from hypothesis import settings
from support.rooms import Room

# The same programs on every machine: a search for new ones is `HYPOTHESIS_PROFILE=search pytest tests/generative`.
settings.register_profile("repeatable", derandomize=True)
settings.register_profile("search")
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture
def room_of(tmp_path):
    """Makes rooms in this process: `room_of({"patients": {...}}, preset="standard")`."""
    numbers = itertools.count()
    return lambda tables, **options: Room(tables, options.pop("state", tmp_path / f"room{next(numbers)}"), **options)
