"""Fixtures that all tests share."""

import itertools
import os
from pathlib import Path

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


# Tests of several processes, or of a browser, on a busy machine: one that fails is tried once more, and the summary
# counts it (R), so that a race is seen and does not stand in the way. What fails twice has failed.
MANY_PROCESSES = ("acceptance", "integration")


def pytest_collection_modifyitems(items):
    here = Path(__file__).parent
    for item in items:
        if item.path.relative_to(here).parts[0] in MANY_PROCESSES:
            item.add_marker(pytest.mark.flaky(reruns=1))
