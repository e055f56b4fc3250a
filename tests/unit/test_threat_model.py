"""Each threat on the pages of the threat model has a mitigation and names tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs" / "threats").glob("*.md"))
#: An entry of a list, from its bullet to the next one.
ENTRY = re.compile(r"^- (.*?)(?=^- |^#|\Z)", re.MULTILINE | re.DOTALL)
#: A threat in bold and the mitigation on a line, the tests on the next one.
PARTS = re.compile(r"\*\*[A-Z][^*]+\.\*\* [A-Z`][^\n]+\.\n  (`tests/[^\n]+`)\s*")
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


def entries(page: Path) -> list[str]:
    return ENTRY.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_threat_has_what_holds_it_and_tests_that_exist(page: Path) -> None:
    assert len(entries(page)) > 10
    for entry in entries(page):
        parts = PARTS.fullmatch(entry)
        assert parts, entry
        named = NAMED.findall(parts[1])
        assert len(named) == parts[1].count("`") // 2, entry
        assert [(path, name) for path, name in named if name not in names_in(path)] == []


def test_the_threat_model_links_to_every_page_of_threats() -> None:
    text = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    assert {page.name for page in PAGES} == set(re.findall(r"\(threats/([\w-]+\.md)\)", text))
