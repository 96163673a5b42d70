"""Capturing: an expert's function as source that stands on its own, for a row function.

The function, the functions of theirs that it calls, and the constants that both use become one module
(`rowfunctions.language`). Everything is read off the notebook's own cells; nothing of it runs here.

Promise: what cannot be taken along is a HandleError that names it and says what can.
"""

from __future__ import annotations

import ast
import builtins
import copy
import datetime
import functools
import linecache
import math
import re
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from msgspec import Struct

from cleanroom_kernel.interpreter.errors import HandleError
from cleanroom_kernel.interpreter.handles import is_handle
from cleanroom_kernel.plan.schema import DType
from cleanroom_kernel.rowfunctions.language import ANSWER, LONGEST
from cleanroom_kernel.rowfunctions.names import BUILTINS, NAMESPACES

MOST_ITEMS = 1_000  # of one constant
_ENTRY = "row_function"
_VALUE = "value"

_PROMISES = {float: DType.FLOAT, int: DType.INTEGER, bool: DType.BOOLEAN, str: DType.STRING}
_PROMISES |= {kind.__name__: dtype for kind, dtype in _PROMISES.items()}  # type: ignore[union-attr]

_WHOLE_ROW = {"items", "keys", "values", "index"}

_CONSTANTS = "numbers, texts, dates, tuples, lists, sets and dictionaries of these, and functions of your own"


class Captured(Struct, frozen=True, eq=False):
    """`source` for the room, and `tree` the same at the expert's own lines of `filename`. `words` are the texts and
    attributes in it; `whole` says that a row is used in other ways than by the names of its columns.
    """

    source: str
    tree: ast.Module
    filename: str
    words: frozenset[str]
    whole: bool
    promised: DType | None


def captured(function: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Captured:
    """`function(value, *args, **kwargs)`. Raises HandleError."""
    words = dict(kwargs)
    while isinstance(function, functools.partial):
        if function.args:
            raise _not_taken("functools.partial with values before the row's", "Name the arguments: partial(f, k=3).")
        function, words = function.func, {**function.keywords, **words}
    taken = _Taken()
    entry = taken.entry(function, args, words)
    module = ast.fix_missing_locations(ast.Module([*taken.statements(), *entry], []))
    source = ast.unparse(module)
    if len(source) > LONGEST:
        raise HandleError(
            f"The function and what it uses have {len(source):,} characters; a row function may have {LONGEST:,}.",
            suggestion="Put long lists into a table of their own and merge it (room.upload).",
        )
    return Captured(source, module, taken.filename, _words(module), _uses_whole(module), taken.promised)


def _not_taken(what: str, suggestion: str = "") -> HandleError:
    return HandleError(
        f"A row function cannot take {what} along.", suggestion=suggestion or f"It may use {_CONSTANTS}."
    )


class _Taken:
    """What a function takes along, found by following the names that it uses."""

    def __init__(self) -> None:
        self.filename = "<row function>"
        self.promised: DType | None = None
        self._aliases: dict[str, ast.stmt] = {}
        self._parts: dict[str, ast.stmt] = {}
        self._constants: dict[str, ast.stmt] = {}
        self._functions: dict[str, ast.stmt | None] = {}
        self._values: dict[str, Any] = {}

    def statements(self) -> list[ast.stmt]:
        """Modules before parts of them, which may have a module's name; functions last."""
        functions = [statement for statement in self._functions.values() if statement is not None]
        return [*self._aliases.values(), *self._constants.values(), *self._parts.values(), *functions]

    def entry(self, function: Any, args: tuple[Any, ...], words: dict[str, Any]) -> list[ast.stmt]:
        """The statements that make the answer."""
        if isinstance(function, types.FunctionType):
            node = _found(function)
            self.filename = function.__code__.co_filename
            self.promised = _PROMISES.get(function.__annotations__.get("return"))  # type: ignore[arg-type]
            called = node.name if isinstance(node, ast.FunctionDef) else _ENTRY
            self._follow(called, function, node)
        else:
            called = _ENTRY
            self._functions[_ENTRY] = _assigned(_ENTRY, _member(function) or _of_text(function))
        if not (args or words):
            if called == ANSWER:
                return []
            if called == _ENTRY:
                statement = self._functions.pop(_ENTRY)
                assert isinstance(statement, ast.Assign)
                return [_assigned(ANSWER, statement.value)]
            return [_assigned(ANSWER, ast.Name(called, ast.Load()))]
        if called == ANSWER:
            raise _not_taken("arguments for a function that is called answer", "Give it another name.")
        call = ast.Call(
            ast.Name(called, ast.Load()),
            [ast.Name(_VALUE, ast.Load()), *(_literal(value, "an argument") for value in args)],
            [ast.keyword(name, _literal(value, name)) for name, value in words.items()],
        )
        return [_assigned(ANSWER, ast.Lambda(_arguments(_VALUE), call))]

    # -- names --------------------------------------------------------------------------------------------------------
    def _follow(self, name: str, function: types.FunctionType, node: ast.FunctionDef | ast.Lambda) -> None:
        self._functions[name] = None  # it may call itself
        plain = _Plain(function).visit(copy.deepcopy(node))
        own = {name} | _bound(function.__code__)
        for used in sorted({part.id for part in ast.walk(plain) if isinstance(part, ast.Name)}):
            found = _looked_up(used, function, own)
            if found is not _NOWHERE:
                self._take(used, found)
        del self._functions[name]
        self._functions[name] = plain if isinstance(plain, ast.FunctionDef) else _assigned(name, plain)

    def _take(self, name: str, value: Any) -> None:
        if name in self._values:
            if self._values[name] is not value:
                raise _not_taken(f"two things that are called {name}", "Give one of them another name.")
            return
        self._values[name] = value
        if name == ANSWER and not isinstance(value, types.FunctionType):
            raise _not_taken("a constant that is called answer", "Give it another name.")
        if isinstance(value, types.ModuleType):
            if value.__name__ not in NAMESPACES:
                raise _not_taken(f"the module {value.__name__}", f"It may use {', '.join(NAMESPACES)}.")
            if name != value.__name__:
                self._aliases[name] = _assigned(name, ast.Name(value.__name__, ast.Load()))
        elif (member := _member(value)) is not None:
            self._parts[name] = _assigned(name, member)
        elif isinstance(value, types.FunctionType):
            node = _found(value)
            called = node.name if isinstance(node, ast.FunctionDef) else name
            if called not in self._functions:
                self._follow(called, value, node)
            if called != name:
                self._parts[name] = _assigned(name, ast.Name(called, ast.Load()))
        else:
            self._constants[name] = _assigned(name, _literal(value, name))


_NOWHERE = object()


def _looked_up(name: str, function: types.FunctionType, own: set[str]) -> Any:
    """What a name means inside a function, where it is neither its own nor Python's."""
    code = function.__code__
    if name in code.co_freevars:
        cell = (function.__closure__ or ())[code.co_freevars.index(name)]
        try:
            return cell.cell_contents
        except ValueError:
            raise _not_taken(f"{name}, which has no value yet") from None
    if name in own or (name not in function.__globals__ and name in BUILTINS):
        return _NOWHERE
    if name in function.__globals__:
        return function.__globals__[name]
    if hasattr(builtins, name):
        raise HandleError(
            f"A row function has no {name}.", suggestion=f"It has {', '.join(n for n in BUILTINS if n[0] != '_')}."
        )
    raise NameError(f"name {name!r} is not defined")


def _bound(code: types.CodeType) -> set[str]:
    """Names that a function or one inside it gives a value."""
    found = {*code.co_varnames, *code.co_cellvars}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= _bound(constant)
    return found


# -- source -----------------------------------------------------------------------------------------------------------
def _found(function: types.FunctionType) -> ast.FunctionDef | ast.Lambda:
    """The function's own node in the cell or file that it was written in."""
    code = function.__code__
    text = "".join(linecache.getlines(code.co_filename, function.__globals__))
    try:
        tree = ast.parse(text)
    except SyntaxError:
        tree = ast.Module([], [])
    found = sorted((node for node in ast.walk(tree) if _is_of(node, code)), key=_length)
    if not found:
        raise _not_taken(f"{function.__name__}, whose source is not to be found", "Define it in a cell.")
    node = found[0]  # of lambdas inside each other, the innermost that holds all of the code
    assert isinstance(node, (ast.FunctionDef, ast.Lambda))
    if isinstance(node, ast.FunctionDef) and node.decorator_list:
        raise _not_taken(f"the decorators of {function.__name__}", "Call the plain function.")
    return node


def _is_of(node: ast.AST, code: types.CodeType) -> bool:
    if isinstance(node, ast.FunctionDef):
        first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
        return node.name == code.co_name and first == code.co_firstlineno
    if not isinstance(node, ast.Lambda) or code.co_name != "<lambda>" or code.co_firstlineno != node.lineno:
        return False
    start, end = _span(node.body)
    # What stands at no column is no part of the expression.
    places = [((line, column), (last, to)) for line, last, column, to in code.co_positions() if to and line and last]
    return all(start <= one and other <= end for one, other in places if one != other)


def _span(node: ast.expr) -> tuple[tuple[int, int], tuple[int, int]]:
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)


def _length(node: ast.AST) -> int:
    return len(ast.dump(node))


class _Plain(ast.NodeTransformer):
    """A function without annotations, docstrings and decorators, and with its defaults as they are now."""

    def __init__(self, function: types.FunctionType) -> None:
        self._function: types.FunctionType | None = function

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        self._settle(node.args)
        node.returns = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.copy_location(ast.Pass(), node.body[0])]
        return self.generic_visit(node)

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        self._settle(node.args)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> Any:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        return self.generic_visit(ast.copy_location(ast.Assign([node.target], node.value), node))

    def _settle(self, arguments: ast.arguments) -> None:
        function, self._function = self._function, None
        if function is None:  # one that is made anew for each row
            return
        given = zip(arguments.defaults, function.__defaults__ or (), strict=True)
        arguments.defaults = [ast.copy_location(_default(value), node) for node, value in given]
        words = function.__kwdefaults__ or {}
        arguments.kw_defaults = [
            None if node is None else ast.copy_location(_default(words[word.arg]), node)
            for word, node in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        ]


def _default(value: Any) -> ast.expr:
    if isinstance(value, (list, dict, set)):
        raise _not_taken(
            "a default value that can be changed: it would let one row know of another",
            "Use a tuple, or make it inside the function.",
        )
    return _literal(value, "a default value")


# -- constants --------------------------------------------------------------------------------------------------------
def _literal(value: Any, name: str) -> ast.expr:
    """A constant as an expression that makes it."""
    return ast.parse(_written(value, name), mode="eval").body


def _written(value: Any, name: str) -> str:
    if is_handle(value):
        raise HandleError(
            f"{name} is rows, which a row function does not see.",
            suggestion="Take an aggregate of it first, or merge the tables and use the columns of one row.",
        )
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or type(value) in (bool, int, str):
        return repr(value)
    if type(value) is float:
        return repr(value) if np.isfinite(value) else f"float({str(value)!r})"
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        return f"re.compile({value.pattern!r}, {_flags(value.flags)})"
    if isinstance(value, (pd.Timestamp, pd.Timedelta)):
        value = value.to_pydatetime() if isinstance(value, pd.Timestamp) else value.to_pytimedelta()
    if type(value) in (datetime.datetime, datetime.date, datetime.time, datetime.timedelta):
        return repr(value)
    if isinstance(value, pd.Series):
        value = value.to_dict()
    if isinstance(value, (pd.Index, np.ndarray)) and value.ndim == 1:
        value = value.tolist()
    return _collection(value, name)


def _flags(flags: int) -> str:
    names = ("IGNORECASE", "ASCII", "MULTILINE", "DOTALL")
    return " | ".join(f"re.{flag}" for flag in names if flags & getattr(re, flag)) or "0"


def _collection(value: Any, name: str) -> str:
    if type(value) not in (tuple, list, set, frozenset) and not isinstance(value, (dict, Mapping)):
        raise _not_taken(f"{name}, a {type(value).__name__}")
    if len(value) > MOST_ITEMS:
        raise _not_taken(f"{name}, which has {len(value):,} items", f"At most {MOST_ITEMS:,}; merge a table instead.")
    if isinstance(value, (dict, Mapping)):
        pairs = (f"{_written(key, name)}: {_written(item, name)}" for key, item in value.items())
        return "{" + ", ".join(pairs) + "}"
    is_set = isinstance(value, (set, frozenset))
    items = ", ".join(_written(item, name) for item in (sorted(value, key=repr) if is_set else value))
    if is_set:
        return f"frozenset([{items}])"
    if isinstance(value, tuple):
        return f"({items},)" if value else "()"
    return f"[{items}]"


# -- functions that are not the expert's ------------------------------------------------------------------------------
_MODULES = {"math": math, "re": re, "datetime": datetime, "numpy": np, "pandas": pd}


def _member(value: Any) -> ast.expr | None:
    """`math.sqrt` for what `from math import sqrt` gives."""
    if not callable(value):
        return None
    for module, source in _MODULES.items():
        for name in NAMESPACES[module].members:
            if getattr(source, name, None) is value:
                return ast.Attribute(ast.Name(module, ast.Load()), name, ast.Load())
    return None


def _of_text(function: Any) -> ast.expr:
    """`str.upper` and its like, as a function of a text."""
    owner = getattr(function, "__objclass__", None)
    if owner is not str:
        raise _not_taken(f"a {type(function).__name__}", "Write it as a lambda or a def.")
    call = ast.Call(ast.Attribute(ast.Name(_VALUE, ast.Load()), function.__name__, ast.Load()), [], [])
    return ast.Lambda(_arguments(_VALUE), call)


# -- parts of trees ---------------------------------------------------------------------------------------------------
def _assigned(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign([ast.Name(name, ast.Store())], value)


def _arguments(name: str) -> ast.arguments:
    return ast.arguments(posonlyargs=[], args=[ast.arg(name)], kwonlyargs=[], kw_defaults=[], defaults=[])


def _words(module: ast.Module) -> frozenset[str]:
    texts = {node.value for node in ast.walk(module) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return frozenset(texts | {node.attr for node in ast.walk(module) if isinstance(node, ast.Attribute)})


def _uses_whole(module: ast.Module) -> bool:
    """Whether the answer's row is used otherwise than by a column's name."""
    functions = {node.name: node for node in module.body if isinstance(node, ast.FunctionDef)}
    last = module.body[-1]
    node: Any = last
    if isinstance(last, ast.Assign):
        node = functions.get(last.value.id) if isinstance(last.value, ast.Name) else last.value
    if not isinstance(node, (ast.FunctionDef, ast.Lambda)):
        return True
    arguments = [*node.args.posonlyargs, *node.args.args]
    if not arguments:
        return True
    return any(_is_whole(name, arguments[0].arg, parent) for name, parent in _with_parents(node))


def _is_whole(node: ast.AST, row: str, parent: ast.AST) -> bool:
    if not (isinstance(node, ast.Name) and node.id == row):
        return False
    if isinstance(parent, ast.Attribute):
        return parent.attr in _WHOLE_ROW
    return not (isinstance(parent, ast.Subscript) and parent.value is node)


def _with_parents(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    for parent in ast.walk(tree):
        for child in ast.iter_child_nodes(parent):
            yield child, parent
