"""Policy, as the owner's panel edits it: a form made of the settings' own help texts, and what is wrong with a draft.

Promise: plain values. What the names mean is known to `disclosure/policy.py` alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

Value = bool | int | float | str
Settings = dict[str, Value]


Kind = Literal["choice", "truth", "whole", "number"]


class PolicyField(Struct, frozen=True):
    """One setting. `least` and `most` are null where there is no bound; `choices` are for a choice."""

    name: str
    kind: Kind
    help: str
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()


class PolicyForm(Struct, frozen=True):
    """All settings in their order, and the complete values of each preset."""

    fields: tuple[PolicyField, ...]
    presets: dict[str, Settings]


class WrongSetting(Struct, frozen=True):
    """What is wrong with a setting, in words for the owner."""

    name: str
    message: str


class Rulebook(Struct, frozen=True):
    """What a server is told of policies, which are none of its business: the form, and who knows what is wrong."""

    form: PolicyForm
    wrong: Callable[[Settings], tuple[WrongSetting, ...]]
