"""Expressions: values of one row, computed from that row and public constants alone (unit-local by construction).

Types are static. `type_of` gives the `Field` of an expression over a relation's fields and raises `PlanError` where
pandas would raise at run time, so that no error depends on data. A cast that fails gives null (rule S13).
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from cleanroom_kernel.plan.functions import RULES, Function, common
from cleanroom_kernel.plan.nodes import Forbidden, Node, PlanError, children, fold, postorder
from cleanroom_kernel.plan.references import KEY_TYPES, Reference
from cleanroom_kernel.plan.schema import Category, Column, DType, Role

Constant = bool | int | float | str | None

MAX_SOURCE = 20_000  # characters of a row function
MAX_INPUTS = 64  # columns that one reads
ROW_RESULTS = (DType.INTEGER, DType.FLOAT, DType.BOOLEAN, DType.STRING)

MAX_VALUES = 1_000  # values in one `isin` or one mapping: code lists are longer than this rarely, lists of people often


class Field(Struct, frozen=True):
    """Static knowledge of a column: its type, what it may be used for, and the owner's public bounds or categories."""

    dtype: DType
    role: Role = Role.FEATURE
    lower: float | None = None
    upper: float | None = None
    categories: tuple[Category, ...] | None = None
    ordered: bool = False
    one_unit: bool = False

    @classmethod
    def of(cls, column: Column) -> Field:
        return cls(
            column.dtype, column.role, column.lower, column.upper, column.categories, column.ordered, column.one_unit
        )


Fields = Mapping[str, Field]


class Expression(Node, frozen=True, eq=False):
    """Base class; use `type_of`."""


class Value(Expression, frozen=True, eq=False):
    """The column `name` of the relation that the expression stands over."""

    name: str


class Literal(Expression, frozen=True, eq=False):
    """A public constant. Datetimes and durations are microseconds (since 1970-01-01)."""

    value: Constant
    dtype: DType

    def __post_init__(self) -> None:
        if self.value is None:
            return
        allowed = {
            DType.INTEGER: (int,), DType.FLOAT: (int, float), DType.BOOLEAN: (bool,), DType.STRING: (str,),
            DType.DATETIME: (int,), DType.DURATION: (int,),
        }[self.dtype]  # fmt: skip
        if type(self.value) not in allowed:
            raise PlanError(f"A constant of type {type(self.value).__name__} is no {self.dtype.value}.")
        if isinstance(self.value, int) and not -(2**63) <= self.value < 2**63:
            raise PlanError("An integer constant does not fit into 64 bits.")


class Call(Expression, frozen=True, eq=False):
    """A function of the table `functions.RULES`, applied to expressions; `options` are public constants."""

    function: Function
    arguments: tuple[Expression, ...]
    options: tuple[Constant, ...] = ()


class IsIn(Expression, frozen=True, eq=False):
    """True where `of` is one of `values`."""

    of: Expression
    values: tuple[Constant, ...]

    def __post_init__(self) -> None:
        _check_length(len(self.values), "isin")


class Recode(Expression, frozen=True, eq=False):
    """`of` with `old[i]` replaced by `new[i]`; what is not listed is kept (pandas' replace) or null (pandas' map)."""

    of: Expression
    old: tuple[Constant, ...]
    new: tuple[Constant, ...]
    dtype: DType
    keep: bool

    def __post_init__(self) -> None:
        _check_length(len(self.old), "a mapping")
        if len(self.old) != len(self.new):
            raise PlanError("A mapping needs as many new values as old ones.")


class Cast(Expression, frozen=True, eq=False):
    """`of` as another type; what cannot be converted is null, with the same count rules as any other null."""

    of: Expression
    dtype: DType
    format: str | None = None  # strptime format, for strings to datetimes


class Cut(Expression, frozen=True, eq=False):
    """The label of the interval of `edges` that holds `of` (pandas' cut with public edges); null outside."""

    of: Expression
    edges: tuple[float, ...]
    labels: tuple[str, ...]
    right: bool = True
    include_lowest: bool = False

    def __post_init__(self) -> None:
        if len(self.edges) < 2 or any(not a < b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise PlanError("Bin edges must increase.")
        if len(self.labels) != len(self.edges) - 1 or len(set(self.labels)) != len(self.labels):
            raise PlanError("There must be one distinct label per bin.")
        _check_length(len(self.edges), "cut")


class Lookup(Expression, frozen=True, eq=False):
    """What `column` of an uploaded table says of the key `of`, null where it has no such key; without a `column`,
    whether it has one. On the wire only the name of the content: the vault has what was uploaded before.
    """

    of: tuple[Expression, ...]
    reference: Reference
    column: str | None = None

    def wire_fields(self) -> dict[str, str | None]:
        return {"reference": self.reference.identity, "column": self.column}

    def __post_init__(self) -> None:
        if len(self.of) != len(self.reference.keys):
            raise PlanError(f"The uploaded table {self.reference.name!r} has {len(self.reference.keys)} key columns.")
        if self.column is not None:
            self.reference[self.column]


class RowFunction(Expression, frozen=True, eq=False):
    """What the expert's own function answers, called in a confined worker for each row by itself.

    `source` is a module of constants and functions that ends with `answer` (`rowfunctions.language`); nothing here
    reads it. Without `names` it is called with the one value of `arguments`, else with a row that has them by these
    names. With `skips_missing` it is not called for a missing value. `dtype` is what it promises to answer.
    """

    source: str
    arguments: tuple[Expression, ...]
    dtype: DType
    names: tuple[str, ...] = ()
    skips_missing: bool = False

    def __post_init__(self) -> None:
        if not 0 < len(self.source) <= MAX_SOURCE:
            raise PlanError(f"A row function may have {MAX_SOURCE} characters.", rule="limits")
        if self.dtype not in ROW_RESULTS:
            raise PlanError(f"A row function cannot answer with a {self.dtype.value}.", rule="row functions")
        if not 0 < len(self.arguments) <= MAX_INPUTS:
            raise PlanError(f"A row function takes 1 to {MAX_INPUTS} columns.", rule="limits")
        if len(set(self.names)) != (len(self.arguments) if self.names else 0) or (
            not self.names and len(self.arguments) != 1
        ):
            raise PlanError("A row function takes one value, or a row of columns with names.", rule="row functions")


def _check_length(length: int, what: str) -> None:
    if length > MAX_VALUES:
        raise Forbidden(
            f"{length} values in {what}: the room takes at most {MAX_VALUES}.",
            rule="no public row vectors",
            suggestion="Bring the list as a table and merge it: reference = room.upload(df, name='codes').",
        )


class Named(Node, frozen=True, eq=False):
    """An expression and the name of the column that it becomes."""

    name: str
    of: Expression

    def __post_init__(self) -> None:
        if not self.name:
            raise PlanError("A column needs a name.")


def type_of(expression: Expression, fields: Fields) -> Field:
    """Static type of `expression` over a relation with `fields`. Raises PlanError, Forbidden for opaque inputs."""
    return fold(expression, lambda node, arguments: _type(node, arguments, fields))


def types_of(expressions: tuple[Expression, ...], fields: Fields) -> dict[int, Field]:
    """Static types of `expressions` and of everything inside them, by `id` of the node."""
    types: dict[int, Field] = {}
    for node in postorder(*expressions):
        types[id(node)] = _type(node, tuple(types[id(child)] for child in children(node)), fields)
    return types


def _type(node: Node, arguments: tuple[Field, ...], fields: Fields) -> Field:
    if isinstance(node, Value):
        if node.name not in fields:
            raise PlanError(f"There is no column {node.name!r}.", suggestion=f"Columns are: {_names(fields)}.")
        return fields[node.name]
    if isinstance(node, Literal):
        bound = None if isinstance(node.value, str) or node.value is None else float(node.value)
        known = (node.value,) if isinstance(node.value, str) or type(node.value) is int else None
        return Field(node.dtype, lower=bound, upper=bound, categories=known)
    for argument in arguments:
        if argument.role.is_opaque and not _allows_opaque(node):
            raise opaque(argument)
    if isinstance(node, Call):
        return _call(node, arguments)
    if isinstance(node, IsIn):
        return Field(DType.BOOLEAN)
    if isinstance(node, Recode):
        return _recode(node, arguments[0])
    if isinstance(node, Cast):
        return _cast(node, arguments[0])
    if isinstance(node, Cut):
        if not (arguments[0].dtype.is_numeric or arguments[0].dtype in (DType.DATETIME, DType.DURATION)):
            raise PlanError("Only numbers and dates can be cut into bins.")
        return Field(DType.STRING, categories=node.labels, ordered=True)
    if isinstance(node, Lookup):
        return _looked_up(node, arguments)
    if isinstance(node, RowFunction):
        return Field(node.dtype)
    raise AssertionError(f"unhandled expression {type(node).__name__}")


def _allows_opaque(node: Node) -> bool:
    """Whether a missing identifier or text is missing is no more than any other null."""
    return isinstance(node, Call) and node.function is Function.IS_NULL


def opaque(field: Field) -> Forbidden:
    """The refusal for an identifier or free text used as a value (rule S2)."""
    if field.role is Role.TEXT:
        return Forbidden(
            "Free text cannot be compared, computed with or used as a label.",
            rule="opaque columns",
            suggestion="Give it to a text vectoriser, or ask the owner for a coded column.",
        )
    return Forbidden(
        f"A column of role {field.role.value!r} cannot be compared, computed with or used as a label.",
        rule="opaque columns",
        suggestion="Use it as a key: merge on it, or groupby it for one row per unit.",
    )


def _call(node: Call, arguments: tuple[Field, ...]) -> Field:
    rule = RULES[node.function]
    least, most = rule.arity
    if not least <= len(arguments) <= most:
        raise PlanError(f"{node.function.value} takes {least} to {most} inputs, not {len(arguments)}.")
    if len(node.options) != len(rule.options):
        raise PlanError(f"{node.function.value} takes {len(rule.options)} options, not {len(node.options)}.")
    for option, types in zip(node.options, rule.options, strict=True):
        if type(option) not in types:
            raise PlanError(f"{node.function.value} cannot take an option of type {type(option).__name__}.")
    dtype = rule.result(tuple(argument.dtype for argument in arguments))
    if dtype is None:
        kinds = ", ".join(argument.dtype.value for argument in arguments)
        raise PlanError(f"{node.function.value} is not defined for ({kinds}).", suggestion="Convert with astype first.")
    return _carry(node.function, arguments, Field(dtype))


def _carry(function: Function, arguments: tuple[Field, ...], result: Field) -> Field:
    """Public bounds and categories survive where the result takes only values of its inputs."""
    sources = {
        Function.COALESCE: arguments,
        Function.WHERE: arguments[1:],
    }.get(function, ())
    if not sources or any(source.dtype is not result.dtype for source in sources):
        return result
    categories = None
    if all(source.categories is not None for source in sources):
        categories = tuple(dict.fromkeys(value for source in sources for value in source.categories or ()))
    lowers = [source.lower for source in sources if source.lower is not None]
    uppers = [source.upper for source in sources if source.upper is not None]
    bounded = len(lowers) == len(sources)
    return Field(
        result.dtype,
        lower=min(lowers) if bounded else None,
        upper=max(uppers) if bounded else None,
        categories=categories,
    )


def _recode(node: Recode, of: Field) -> Field:
    if node.keep and of.dtype is not node.dtype and not (of.dtype.is_numeric and node.dtype.is_numeric):
        raise PlanError(
            f"replace would mix {of.dtype.value} and {node.dtype.value} in one column.",
            suggestion="Map every value, or convert with astype first.",
        )
    new = tuple(value for value in node.new if isinstance(value, str) or type(value) is int)
    if len(new) != sum(value is not None for value in node.new):
        return Field(node.dtype)
    if node.keep and of.categories is None:
        return Field(node.dtype)
    kept = tuple(value for value in of.categories or () if value not in node.old) if node.keep else ()
    return Field(node.dtype, categories=tuple(dict.fromkeys((*kept, *new))) or None)


def _looked_up(node: Lookup, of: tuple[Field, ...]) -> Field:
    for key, field in zip(node.reference.keys, of, strict=True):
        if field.dtype not in KEY_TYPES and field.dtype is not DType.FLOAT:
            raise PlanError(f"An uploaded table is joined on codes, not on {field.dtype.value}s.")
        if common((key.dtype, field.dtype)) is None:
            raise PlanError(f"Cannot join {field.dtype.value} to {key.dtype.value}.")
    if node.column is None:
        return Field(DType.BOOLEAN)
    column = node.reference[node.column]
    return Field(column.dtype, categories=column.categories)


def _cast(node: Cast, of: Field) -> Field:
    if {of.dtype, node.dtype} & {DType.DATETIME, DType.DURATION} and of.dtype is not node.dtype:
        readable = of.dtype is DType.STRING and node.dtype is DType.DATETIME
        if not readable and node.dtype is not DType.STRING:
            raise PlanError(f"{of.dtype.value} cannot be converted to {node.dtype.value}.")
    if node.dtype is of.dtype:
        return of
    if node.dtype is DType.STRING and of.categories is not None:
        return Field(DType.STRING, categories=tuple(str(value) for value in of.categories), ordered=of.ordered)
    if of.dtype is DType.BOOLEAN and node.dtype is DType.INTEGER:
        return Field(node.dtype, lower=0.0, upper=1.0)
    keeps_bounds = of.dtype.is_numeric and node.dtype.is_numeric
    return Field(node.dtype, lower=of.lower if keeps_bounds else None, upper=of.upper if keeps_bounds else None)


def _names(fields: Fields) -> str:
    names = [name for name in fields if not name.startswith("__")]
    return ", ".join(names[:30]) + (", …" if len(names) > 30 else "")
