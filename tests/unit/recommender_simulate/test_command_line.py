"""What the command takes, prints and returns."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator

import pytest

from recommender_client import Recommendation
from recommender_simulate import __main__ as command
from recommender_simulate.arguments import PROGRAM, parser
from recommender_simulate.summary import Summary

URL = ("--url", "http://gateway")


def test_each_example_of_the_help_is_a_command_line() -> None:
    text = parser().format_help().replace("\\\n", " ")
    examples = [line for line in map(str.strip, text.splitlines()) if line.startswith(PROGRAM)]
    assert len(examples) == 3
    for example in examples:
        assert parser().parse_args(shlex.split(example)[1:]).url


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--url", "gateway"),
        ("--url", "http://gateway:http"),
        (*URL, "--events", "redis://store"),
        (*URL, "--rate", "0"),
        (*URL, "--rate", "inf"),
        (*URL, "--users", "0"),
        (*URL, "--click-rate", "1"),
        (*URL, "--context", "device"),
        (*URL, "--appeal", "shop"),
        (*URL, "--appeal", "shop=0"),
    ],
)
def test_wrong_arguments_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(words)


def summaries() -> Iterator[tuple[Summary, int]]:
    good = Summary()
    answer = Recommendation(("a",), (0.5,), "probability", "model", "shop-1", "r", "u", "s")
    good.answered(answer, [], 0.25)
    yield good, 0
    failed = Summary()
    failed.failed("no answer")
    yield failed, 1
    yield Summary(rejected=1), 1
    yield Summary(undelivered=1), 1


@pytest.mark.parametrize(("summary", "code"), list(summaries()))
def test_the_exit_code_and_the_json_say_whether_all_went_well(
    summary: Summary,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def simulated(_: object) -> Summary:
        return summary

    monkeypatch.setattr(command, "simulate", simulated)
    assert command.run([*URL, "-o", "json"]) == code
    printed = json.loads(capsys.readouterr().out)
    assert printed == summary.report()
    assert command.run(list(URL)) == code
    assert summary.line() in capsys.readouterr().out
