"""Each row of the threat model names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "threat-model.md"
#: `tests/path/test_file.py::test_name`
NAMED = re.compile(r"`(tests/[\w/.-]+\.py)::(\w+)`")


@cache
def names_in(path: str) -> frozenset[str]:
    """Return the names of the test functions in a file; none if there is no such file."""
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def rows() -> list[list[str]]:
    """Return the cells of the table's rows, without its header."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    body = [row for row in cells if not set("".join(row)) <= set("-| ")]
    return [row for row in body if row[0] != "threat"]


def test_each_threat_has_what_holds_it_and_a_test() -> None:
    assert len(rows()) >= 20
    for row in rows():
        assert len(row) == 3, row
        threat, holds, tests = row
        assert threat, row
        assert holds, row
        assert NAMED.search(tests), row


def test_every_test_that_the_threat_model_names_exists() -> None:
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert named
    missing = [f"{path}::{name}" for path, name in named if name not in names_in(path)]
    assert missing == []
