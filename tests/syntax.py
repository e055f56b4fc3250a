"""The statements of a module, for tests that read the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator

#: Fields of a statement that hold statements.
INNER = ("body", "orelse", "finalbody", "handlers", "cases")


def statements(source: str) -> Iterator[ast.AST]:
    """Yield a module's statements, inner ones too, without expressions: most nodes are those."""
    left: list[ast.AST] = [ast.parse(source)]
    while left:
        node = left.pop()
        yield node
        for field in INNER:
            left.extend(getattr(node, field, ()))
