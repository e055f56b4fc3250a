"""Texts of the cluster reach the terminal without control characters."""

from __future__ import annotations

import json

import pytest

from recommender_kubectl import text
from recommender_kubectl.console import Console
from recommender_kubectl.text import BAD, Style

#: A new title, a cleared screen, a hidden text, a bell, C1 codes, and text that turns around.
HOSTILE = "\x1b]0;title\x07 \x1b[2J \x1b[8m \x9b31m \r \u202e \x00 \u2066"
ESCAPED = r"\x1b]0;title\x07 \x1b[2J \x1b[8m \x9b31m \r \u202e \x00 \u2066"


@pytest.mark.parametrize("colour", [False, True])
def test_no_control_character_of_the_cluster_reaches_the_terminal(
    colour: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    console = Console()
    console.style = Style(colour=colour)
    lines = text.facts([("Message", HOSTILE)], console.style)
    console.show({}, [*lines, *text.table(["NAME"], [[HOSTILE]], console.style)])
    console.say(HOSTILE)
    console.replace(HOSTILE)
    console.complain(HOSTILE)
    printed = capsys.readouterr()
    assert printed.out.count(ESCAPED) == 4
    assert ESCAPED in printed.err
    own = "\x1b[2m" if colour else ""
    shown = printed.out.replace("\r\x1b[2K", "").replace(own, "").replace("\x1b[0m", "")
    assert shown.replace("\n", "").isprintable()


def test_colours_are_kept_only_where_the_tool_paints(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.style = Style(colour=True)
    console.say(console.style.paint("bad", BAD) + " \x1b[5m")
    assert capsys.readouterr().out == "\x1b[31mbad\x1b[0m \\x1b[5m\n"
    console.style = Style()
    console.say("\x1b[31mbad")
    assert capsys.readouterr().out == "\\x1b[31mbad\n"


def test_a_text_of_several_lines_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    console = Console()
    console.show({}, ["Stage   Failed: end of the log\nStage   Promoted", "Weight   0"])
    assert capsys.readouterr().out.splitlines() == [
        "Stage   Failed: end of the log",
        "    Stage   Promoted",
        "Weight   0",
    ]


def test_json_has_the_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    Console(as_json=True).show({"message": HOSTILE}, [])
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"message": HOSTILE}
    assert printed.replace("\n", "").isprintable()
