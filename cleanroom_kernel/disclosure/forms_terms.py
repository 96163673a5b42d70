"""Terms: what the form of a measure is made of. Frozen values, and the products and sums of them."""

from __future__ import annotations

from msgspec import Struct

from cleanroom_kernel.disclosure import measures
from cleanroom_kernel.disclosure.measures import ROWS, Measure
from cleanroom_kernel.plan.bases import Relation
from cleanroom_kernel.plan.expressions import Expression, Field
from cleanroom_kernel.plan.nodes import digest
from cleanroom_kernel.plan.schema import DType

_MOST_TERMS = 8


class Condition(Struct, frozen=True, eq=False):
    """Rows of `over` where `of`, a 0/1 expression, holds; or with `holds` False, where it does not."""

    over: Relation
    of: Expression
    holds: bool = True

    @property
    def key(self) -> tuple[str, str, bool]:
        return digest(self.over), digest(self.of), self.holds


class Term(Struct, frozen=True, eq=False):
    """A part of a measure: `measure` (an identity, or ROWS for ones) over the rows where all conditions hold."""

    measure: str
    conditions: tuple[Condition, ...] = ()

    @property
    def trace(self) -> str:
        """The measure under which its sums are compared with others."""
        return self.measure if self.measure == ROWS else f"sum of {self.measure}"


class Form(Struct, frozen=True, eq=False):
    """scale * core + offset, the core being the sum of the terms where it is not free.

    `core` is its exact identity and `field` its type. `nulls` says that a value is missing only where one is missing
    in the owner's table, so that this is no choice of the expert's. `functions` counts the functions inside.
    """

    core: str
    field: Field
    loose: Measure
    terms: tuple[Term, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    constant: float | None = None  # of a literal; not a number where its value is not worked out
    missing: bool = False  # whether it is the literal that stands for no value
    natural: bool = False
    free: bool = True
    nulls: bool = True
    functions: int = 0
    added: bool = False  # whether a natural measure is a sum or a difference of numbers
    predicted: bool = False  # whether the core is what a model predicted
    unknown: bool = False  # whether a row function is in it, which may be any function of a patient

    @property
    def name(self) -> str:
        """Exact identity of the whole."""
        return self.core if self.is_core else measures.hashed("affine", self.core, self.scale, self.offset)

    @property
    def is_core(self) -> bool:
        return self.scale == 1.0 and self.offset == 0.0

    @property
    def is_conditional(self) -> bool:
        return any(term.conditions for term in self.terms)

    @property
    def is_literal(self) -> bool:
        return self.constant is not None


Forms = dict[str, Form]


def is_binary(field: Field) -> bool:
    """Whether a field can hold nothing but 0 and 1, as its type says."""
    if field.dtype is DType.BOOLEAN:
        return True
    if field.dtype is not DType.INTEGER:
        return False
    if field.categories is not None:
        return set(field.categories) <= {0, 1}
    return field.lower == 0 and field.upper == 1


# -- arithmetic -------------------------------------------------------------------------------------------------------
def under(condition: Condition, term: Term) -> Term:
    return Term(term.measure, joint(term.conditions, (condition,)))


def crossed(one: Term, other: Term) -> Term:
    """The product of two terms."""
    conditions = joint(one.conditions, other.conditions)
    if one.measure == ROWS or other.measure == ROWS:
        return Term(other.measure if one.measure == ROWS else one.measure, conditions)
    return Term(measures.hashed("product", sorted([one.measure, other.measure])), conditions)


def joint(one: tuple[Condition, ...], other: tuple[Condition, ...]) -> tuple[Condition, ...]:
    return tuple({condition.key: condition for condition in (*one, *other)}.values())


def several(*terms: Term) -> tuple[Term, ...] | None:
    """Different terms; None if there are too many."""
    found = {(term.measure, tuple(sorted(map(repr, (c.key for c in term.conditions))))): term for term in terms}
    return tuple(found.values()) if 0 < len(found) <= _MOST_TERMS else None
