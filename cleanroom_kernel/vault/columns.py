"""Columns: how the columns of an evaluated relation are called inside the vault.

Promise: a name that the expert chose never reaches Polars bare. A stored column is `f:` and its declared name, so it
cannot be taken for a regular expression or a wildcard, nor for the two columns that say whose row it is and where it
stands.
"""

from __future__ import annotations

from cleanroom_kernel.plan.nodes import PlanError

UNIT = "__unit"  # Int32 code of the privacy unit, 0..n-1 over the whole room; absent where rows are public
ROW = "__row"  # Int64, unique in the relation; ascending is pandas' row order

_STORED = "f:"


def stored(name: str) -> str:
    """Name under which a relation's column `name` is kept while it is evaluated."""
    return _STORED + name


def check_reserved(names: tuple[str, ...]) -> None:
    """Refuse to hand out a column under the name of one of our own."""
    for name in names:
        if name in (UNIT, ROW):
            raise PlanError(f"The column name {name!r} is reserved.", rule="reserved names")
