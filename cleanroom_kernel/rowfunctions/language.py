"""Language: what a row function is written in, and how it becomes a function.

A row function's source is a small module: constants, functions, and at its end `answer`, the function of one value or
one row. RestrictedPython compiles it (whatever it does not know is denied), against the names of `names`. On top of
that: no state from one row to the next. Constants are frozen; there are no classes, `global` or defaults that can be
changed. Neither is a wall against hostile code; see `rowworker`.

Promise: a source that is not allowed is a `NotAllowed` that says what and where, before anything of it runs.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from RestrictedPython import compile_restricted_exec
from RestrictedPython.transformer import RestrictingNodeTransformer

from cleanroom_kernel.rowfunctions.names import BUILTINS, GUARDS, NAMESPACES

ANSWER = "answer"
LONGEST = 20_000  # characters of a source
FILENAME = "<row function>"

Function = Callable[[Any], Any]

_MAKERS = {("re", "compile"), *(("datetime", kind) for kind in ("datetime", "date", "time", "timedelta"))}
_LITERAL_CALLS = {"frozenset", "float"}


class NotAllowed(ValueError):
    """What a row function must not contain. `line` counts from 1 in its source."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


def made(source: str | ast.Module, filename: str = FILENAME) -> Function:
    """The function that a source describes. Raises NotAllowed."""
    tree = source if isinstance(source, ast.Module) else _parsed(source, filename)
    _check_statements(tree)
    compiled = compile_restricted_exec(tree, filename, policy=_Rules)
    if compiled.code is None:
        raise _of_errors(compiled.errors)
    names: dict[str, Any] = {"__builtins__": {**BUILTINS, **NAMESPACES}, **GUARDS}
    kept = set(names)
    exec(compiled.code, names)  # noqa: S102 - RestrictedPython's code, of constants and definitions alone
    names.update({name: frozen(value) for name, value in names.items() if name not in kept})
    function = names[ANSWER]
    if not callable(function):
        raise NotAllowed("The answer of a row function is no function.")
    return function


def frozen(value: Any) -> Any:
    """A constant that no row can change for the next one."""
    if type(value) in (list, tuple):
        return tuple(frozen(item) for item in value)
    if type(value) in (set, frozenset):
        return frozenset(value)
    if type(value) is dict:
        return MappingProxyType({key: frozen(item) for key, item in value.items()})
    return value


def _parsed(source: str, filename: str) -> ast.Module:
    if len(source) > LONGEST:
        raise NotAllowed(f"A row function may have {LONGEST} characters.")
    try:
        return ast.parse(source, filename)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotAllowed("This is not Python.") from None


def _of_errors(errors: Any) -> NotAllowed:
    first = str(errors[0])
    line, _, message = first.partition(": ")
    number = line.removeprefix("Line ")
    return NotAllowed(message or first, int(number) if number.isdigit() else 0)


# -- the module around the function -----------------------------------------------------------------------------------
def _check_statements(tree: ast.Module) -> None:
    """Constants, functions and the answer: nothing runs before the first row."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef):
            if statement.decorator_list:
                raise NotAllowed("A row function has no decorators.", statement.lineno)
        elif not (isinstance(statement, ast.Assign) and _is_named(statement) and _is_given(statement.value)):
            raise NotAllowed("A row function is made of constants and functions.", statement.lineno)
    if not tree.body or ANSWER not in _defined(tree.body[-1]):
        raise NotAllowed("A row function has an answer.")


def _defined(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef):
        return [statement.name]
    return [target.id for target in getattr(statement, "targets", ()) if isinstance(target, ast.Name)]


def _is_named(statement: ast.Assign) -> bool:
    return len(statement.targets) == 1 and isinstance(statement.targets[0], ast.Name)


def _is_given(value: ast.expr) -> bool:
    return isinstance(value, ast.Lambda) or _is_constant(value)


def _is_constant(value: ast.expr) -> bool:
    if isinstance(value, (ast.Constant, ast.Name)):
        return True
    if isinstance(value, ast.UnaryOp):
        return _is_constant(value.operand)
    if isinstance(value, (ast.Tuple, ast.List, ast.Set)):
        return all(map(_is_constant, value.elts))
    if isinstance(value, ast.Dict):
        return all(key is not None and _is_constant(key) for key in value.keys) and all(map(_is_constant, value.values))
    if isinstance(value, ast.Attribute):
        return _is_constant(value.value)
    if isinstance(value, ast.BinOp):  # flags of a pattern
        return isinstance(value.op, ast.BitOr) and _is_constant(value.left) and _is_constant(value.right)
    if isinstance(value, ast.Call):
        given = all(map(_is_constant, value.args)) and all(_is_constant(word.value) for word in value.keywords)
        return given and _makes_constants(value.func)
    return False


def _makes_constants(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in _LITERAL_CALLS
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and (function.value.id, function.attr) in _MAKERS
    )


class _Rules(RestrictingNodeTransformer):  # type: ignore[misc]
    """RestrictedPython's rules, and ours on top."""

    _depth = 0

    def visit_Global(self, node: ast.Global) -> Any:
        """Denied: a name of the module would be a memory."""
        self.error(node, "`global` would let one row know of another.")

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        """Denied: objects with state, and special methods."""
        self.error(node, "A row function has no classes.")

    def visit_Import(self, node: ast.Import) -> Any:
        """Allowed, of the modules that there are."""
        for alias in node.names:
            self._check_module(node, alias.name)
        return super().visit_Import(node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> Any:
        """As `import`."""
        self._check_module(node, node.module or "")
        return super().visit_ImportFrom(node)

    def _check_module(self, node: ast.stmt, name: str) -> None:
        if name not in NAMESPACES:
            self.error(node, f"A row function cannot import {name}. There are: {', '.join(NAMESPACES)}.")

    def visit_With(self, node: ast.With) -> Any:
        """Denied: nothing here is opened or closed."""
        self.error(node, "A row function has no `with`.")

    def visit_FunctionDef(self, node: ast.FunctionDef) -> Any:
        """Allowed; what is inside is made anew for every row."""
        return self._inside(node, super().visit_FunctionDef)

    def visit_Lambda(self, node: ast.Lambda) -> Any:
        """As a function."""
        return self._inside(node, super().visit_Lambda)

    def _inside(self, node: Any, visit: Callable[[Any], Any]) -> Any:
        if self._depth == 0:
            for default in (*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)):
                if not _is_unchanging(default):
                    self.error(default, "A default value that can be changed would let one row know of another.")
        self._depth += 1
        try:
            return visit(node)
        finally:
            self._depth -= 1

    def visit_Name(self, node: ast.Name) -> Any:
        """`print` has nowhere to go."""
        if node.id in ("print", "printed"):
            self.error(node, "A row function cannot print.")
            return node
        return super().visit_Name(node)

    def visit_FormattedValue(self, node: ast.FormattedValue) -> Any:
        """What stands in an f-string needs a text of its own."""
        found = self.node_contents_visit(node)
        found.value = _called("_shown_", found.value)
        return found

    def visit_Starred(self, node: ast.Starred) -> Any:
        """`[*values]` walks like any loop."""
        found = self.node_contents_visit(node)
        if isinstance(found.ctx, ast.Load):
            found.value = _called("_getiter_", found.value)
        return found

    def visit_BinOp(self, node: ast.BinOp) -> Any:
        """`%` also makes texts."""
        found = self.node_contents_visit(node)
        return _called("_remainder_", found.left, found.right) if isinstance(found.op, ast.Mod) else found

    def visit_AugAssign(self, node: ast.AugAssign) -> Any:
        """`counts[key] += 1` where both are plain names or constants; RestrictedPython denies it altogether."""
        target = node.target
        if isinstance(target, ast.Subscript) and _is_plain(target.value) and _is_plain(target.slice):
            read = ast.Subscript(target.value, target.slice, ast.Load())
            changed = ast.Assign([target], ast.BinOp(read, node.op, node.value))
            return self.visit(ast.fix_missing_locations(ast.copy_location(changed, node)))
        return super().visit_AugAssign(node)


def _called(guard: str, value: ast.expr, *more: ast.expr) -> ast.Call:
    """A guard's call in the place of `value`."""
    return ast.copy_location(ast.Call(ast.copy_location(ast.Name(guard, ast.Load()), value), [value, *more], []), value)


def _is_plain(node: ast.expr) -> bool:
    return isinstance(node, (ast.Name, ast.Constant))


def _is_unchanging(node: ast.expr) -> bool:
    if isinstance(node, ast.Tuple):
        return all(map(_is_unchanging, node.elts))
    if isinstance(node, ast.UnaryOp):
        return _is_unchanging(node.operand)
    return isinstance(node, ast.Constant)
