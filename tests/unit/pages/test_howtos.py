"""Each command of a how-to page is executed, or listed with the reason and where else it runs."""

from __future__ import annotations

import pytest

from tests.pages import howtos
from tests.pages.blocks import ROOT
from tests.pages.statements import statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\nb\n", ["a", "b"]),
        ("a \\\n  b\nc\n", ["a \\\n  b", "c"]),
        ("a |\n  b\n", ["a |\n  b"]),
        ("a -d '[\n  1]'\nb\n", ["a -d '[\n  1]'", "b"]),
        ("# why\n\na   # it's\nb\n", ["a   # it's", "b"]),
        ("for a in b; do\n  c\ndone\nd\n", ["for a in b; do\n  c\ndone", "d"]),
        ("wait --for=x --timeout=1\nb\n", ["wait --for=x --timeout=1", "b"]),
    ],
)
def test_a_statement_ends_where_the_shell_would_run_it(text: str, expected: list[str]) -> None:
    assert list(statements(text)) == expected


@pytest.mark.parametrize("text", ["a \\\n", "a |\n", "a 'b\n", "for a in b; do\n"])
def test_a_statement_that_is_not_complete_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="not complete"):
        list(statements(text))


def test_each_page_with_commands_is_executed_or_names_the_test_that_covers_it() -> None:
    assert howtos.pages_with_commands() == {*howtos.PAGES, *howtos.OTHERS}


def test_each_page_has_commands_that_are_executed() -> None:
    assert [page for page in howtos.PAGES if not howtos.scripts(page)] == []


def test_the_list_has_no_command_that_no_page_has() -> None:
    assert howtos.unused() == []


def test_each_reason_names_what_runs_the_command_and_it_exists() -> None:
    assert [reason for reason in howtos.ELSEWHERE.values() if "tests/" not in reason] == []
    assert [path for path in howtos.named_tests() if not (ROOT / path).exists()] == []
