"""Budget: what an expert has had of what the policy allows, in the words of the border."""

from __future__ import annotations

from msgspec import Struct


class Budget(Struct, frozen=True, forbid_unknown_fields=True):
    """`used` of `allowed`, over the last `days` days, or since the data was loaded where that is 0. `shared` where
    other experts of the room use it as well.
    """

    name: str
    used: int
    allowed: int
    days: int = 0
    shared: bool = False


class Budgets(Struct, frozen=True, tag="budgets", forbid_unknown_fields=True):
    budgets: tuple[Budget, ...]
