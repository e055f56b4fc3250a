"""Files and functions stay small enough to read at once; the exceptions are named and only go."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.syntax import statements

ROOT = Path(__file__).parents[2]
FOLDERS = ("client", "operator", "serving", "tests", "training")
LINES = {"files": 300, "functions": 40}
#: What was longer when this test began. Nothing is added: split the file or the function.
EXCEPTIONS: dict[str, list[str]] = json.loads(
    Path(__file__).with_name("size_exceptions.json").read_text()
)


def functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and lines of each function of a module, decorators left out."""
    for node in statements(source):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.fixture(scope="module")
def too_long() -> dict[str, set[str]]:
    """What exceeds its limit: paths of files, and `path:name` of functions."""
    found: dict[str, set[str]] = {"files": set(), "functions": set()}
    for path in (each for folder in FOLDERS for each in (ROOT / folder).rglob("*.py")):
        source, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        lines = source.count("\n")
        if lines > LINES["files"]:
            found["files"].add(name)
        if lines > LINES["functions"]:
            found["functions"] |= {
                f"{name}:{function}"
                for function, length in functions(source)
                if length > LINES["functions"]
            }
    return found


@pytest.mark.parametrize("kind", LINES)
def test_no_file_and_no_function_is_longer_than_contributing_says(
    too_long: dict[str, set[str]], kind: str
) -> None:
    new = sorted(too_long[kind] - set(EXCEPTIONS[kind]))
    assert not new, f"over {LINES[kind]} lines: split these {kind}"


@pytest.mark.parametrize("kind", LINES)
def test_an_exception_that_is_none_any_more_leaves_the_list(
    too_long: dict[str, set[str]], kind: str
) -> None:
    gone = sorted(set(EXCEPTIONS[kind]) - too_long[kind])
    assert not gone, f"remove these {kind} from size_exceptions.json"
    assert EXCEPTIONS[kind] == sorted(set(EXCEPTIONS[kind]))


def test_the_lines_of_a_function_are_counted_with_its_signature_and_inner_ones() -> None:
    source = "@cache\ndef outer(\n    a: int,\n) -> None:\n    async def inner():\n        pass\n"
    assert dict(functions(source)) == {"outer": 5, "inner": 2}
