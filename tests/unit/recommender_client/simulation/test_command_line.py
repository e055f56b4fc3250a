"""`recommender-simulate`: arguments, exit codes and the page."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from recommender_client.simulation.__main__ import EXAMPLES, parser, run

PAGE = (Path(__file__).resolve().parents[4] / "docs" / "events.md").read_text(encoding="utf-8")


def test_the_examples_are_command_lines() -> None:
    text = EXAMPLES.replace("\\\n", " ")
    shown = [
        line.split(None, 1)[1] for line in text.splitlines() if "  recommender-simulate" in line
    ]
    assert len(shown) == 2
    for line in shown:
        parser().parse_args(shlex.split(line))


@pytest.mark.parametrize(
    "words",
    [
        "http://a --user-name ada",
        "http://a --user-name {0.real}{}",
        "http://a --click 2",
        "http://a --answers 0",
        "http://a --rate nan",
        "",
    ],
)
def test_wrong_arguments_exit_with_2(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as error:
        run(words.split())
    assert error.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_the_help_shows_examples_and_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(["--help"])
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert "exit codes:" in shown


def test_the_page_names_the_command() -> None:
    assert "recommender-simulate" in PAGE
