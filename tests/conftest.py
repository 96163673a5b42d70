"""Fixtures that all tests share."""

import itertools

import pytest
from support.rooms import Room


@pytest.fixture
def room_of(tmp_path):
    """Makes rooms in this process: `room_of({"patients": {...}}, preset="standard")`."""
    numbers = itertools.count()
    return lambda tables, **options: Room(tables, options.pop("state", tmp_path / f"room{next(numbers)}"), **options)
