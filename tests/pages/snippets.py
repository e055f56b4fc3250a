"""Python of the pages: it compiles, its names exist, and calls fit their signatures."""

from __future__ import annotations

import ast
import builtins
import inspect
from collections.abc import Iterator
from typing import Any, get_type_hints


def problems(text: str) -> list[str]:
    """Return what is wrong with a block of Python. Its imports are the only code that runs."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        return [str(error)]
    names: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            try:
                exec(compile(ast.Module([node], []), "page", "exec"), names)
            except ImportError as error:
                return [str(error)]
    return [*_unknown(tree, names), *_Calls(names).problems(tree)]


def _unknown(tree: ast.Module, names: dict[str, Any]) -> Iterator[str]:
    """Yield the names that nothing defines."""
    used = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    made = {node.id for node in used if isinstance(node.ctx, ast.Store)}
    known = made | names.keys() | set(dir(builtins))
    yield from (f"{node.id} is not defined" for node in used if node.id not in known)


class _Calls:
    """Follows the types of names as far as annotations tell, and binds calls to signatures."""

    def __init__(self, names: dict[str, Any]) -> None:
        self._values = names
        #: Classes of the instances that a name holds.
        self._classes: dict[str, type] = {}
        self._wrong: list[str] = []

    def problems(self, tree: ast.Module) -> list[str]:
        """Return what is wrong with the calls and attributes of a module."""
        for node in ast.walk(tree):
            if isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                self._hold(node.optional_vars.id, node.context_expr)
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self._hold(node.targets[0].id, node.value)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                self._bind(node)
            if isinstance(node, ast.Attribute):
                self._attribute(node)
        return self._wrong

    def _hold(self, name: str, value: ast.expr) -> None:
        made = self._class_of(value)
        if made is not None:
            self._classes[name] = made

    def _class_of(self, node: ast.expr) -> type | None:
        """Return the class of the value of an expression, if it is known."""
        if isinstance(node, ast.Name):
            return self._classes.get(node.id)
        if not isinstance(node, ast.Call):
            return None
        called = self._called(node)
        if inspect.isclass(called):
            return called
        try:
            found = get_type_hints(called).get("return")
        except (TypeError, NameError):
            return None
        return found if inspect.isclass(found) else None

    def _called(self, node: ast.Call) -> Any:
        """Return the function or class that a call names, if it is known."""
        return self._value(node.func)

    def _value(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Name):
            return self._values.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self._class_of(node.value)
            return getattr(self._value(node.value) if owner is None else owner, node.attr, None)
        return None

    def _attribute(self, node: ast.Attribute) -> None:
        owner = self._class_of(node.value)
        value: Any = owner if owner is not None else self._value(node.value)
        # Fields of dataclasses and of pydantic models are no attributes of their class.
        fields = getattr(owner, "__annotations__", {}) if owner else {}
        if value is not None and not hasattr(value, node.attr) and node.attr not in fields:
            self._wrong.append(f"{ast.unparse(node)}: there is no {node.attr}")

    def _bind(self, node: ast.Call) -> None:
        called = self._called(node)
        try:
            signature = inspect.signature(called)
        except (TypeError, ValueError):
            return
        starred = any(isinstance(each, ast.Starred) for each in node.args)
        if starred or any(each.arg is None for each in node.keywords):
            return
        method = isinstance(node.func, ast.Attribute) and self._class_of(node.func.value)
        given = [None] * (len(node.args) + (1 if method else 0))
        try:
            signature.bind(*given, **{each.arg: None for each in node.keywords if each.arg})
        except TypeError as error:
            self._wrong.append(f"{ast.unparse(node)[:80]}: {error}")
