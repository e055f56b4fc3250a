"""Each command of a how-to page is executed, or listed with the reason and where else it runs."""

from __future__ import annotations

import pytest

from tests.pages import blocks, howtos
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
    named = [*howtos.PAGES, *howtos.READ, *howtos.OTHERS]
    assert howtos.pages_with_commands() == {*named}
    assert len({*named}) == len(named)


def test_each_page_has_commands_that_are_executed() -> None:
    assert [page for page in howtos.PAGES if not howtos.scripts(page)] == []
    read = [(page, each) for page, tests in howtos.READ.items() for each in tests.values()]
    assert [page for page, programs in read if not howtos.scripts(page, *programs)] == []


@pytest.mark.parametrize("page", howtos.READ)
def test_each_command_of_a_page_that_tests_share_is_typed_by_one_of_them(page: str) -> None:
    every = [text for script in howtos.scripts(page) for text in script.statements]
    shared = [
        text
        for programs in howtos.READ[page].values()
        for script in howtos.scripts(page, *programs)
        for text in script.statements
    ]
    assert sorted(shared) == sorted(every)


def test_each_snippet_of_python_runs() -> None:
    with_python = {block.page for block in blocks.of("python")}
    whole = {page for page, tests in howtos.READ.items() if () in tests.values()}
    assert with_python <= {f"docs/{page}.md" for page in whole}


def test_the_list_has_no_command_that_no_page_has() -> None:
    assert howtos.unused() == []


def test_each_reason_names_what_runs_the_command_and_it_exists() -> None:
    assert [reason for reason in howtos.ELSEWHERE.values() if "tests/" not in reason] == []
    assert [path for path in howtos.named_tests() if not (ROOT / path).exists()] == []
