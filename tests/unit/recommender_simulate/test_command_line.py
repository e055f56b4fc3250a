"""What the command takes, prints and returns."""

from __future__ import annotations

import json
import pathlib
import shlex
from collections.abc import Iterator

import pytest

from recommender_client import Query, Recommendation
from recommender_simulate import __main__ as command
from recommender_simulate.arguments import PROGRAM, parser
from recommender_simulate.catalogue import AtRandom, Best
from recommender_simulate.summary import Summary, Worth

URL = ("--url", "http://gateway")


def test_each_example_of_the_help_is_a_command_line() -> None:
    text = parser().format_help().replace("\\\n", " ")
    examples = [line for line in map(str.strip, text.splitlines()) if line.startswith(PROGRAM)]
    assert len(examples) == 4
    for example in examples:
        given = parser().parse_args(shlex.split(example)[1:])
        assert given.url or given.random


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--url", "gateway"),
        ("--url", "http://gateway:http"),
        (*URL, "--events", "redis://store"),
        (*URL, "--random"),
        (*URL, "--items", "0"),
        (*URL, "--rate", "0"),
        (*URL, "--rate", "inf"),
        (*URL, "--users", "0"),
        (*URL, "--click-rate", "1"),
        (*URL, "--context", "device"),
        (*URL, "--context", "words=[]"),
        (*URL, "--context", "words=[[1, 2"),
        (*URL, "--context", "words=[null]"),
        (*URL, "--appeal", "shop"),
        (*URL, "--appeal", "shop=0"),
    ],
)
def test_wrong_arguments_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args(words)


def test_values_of_the_context_are_texts_or_those_of_a_list_in_json() -> None:
    words = ["--context", "device=phone,tv", "--context", 'words=[["red"], ["new", "hat"]]']
    given = parser().parse_args([*URL, *words, "--context", "opened=[1789401600, 1.5]"])
    assert {name: list(values) for name, values in given.context} == {
        "device": ["phone", "tv"],
        "words": [["red"], ["new", "hat"]],
        "opened": [1789401600, 1.5],
    }


def summaries() -> Iterator[tuple[Summary, int]]:
    good = Summary()
    answer = Recommendation(("a",), (0.5,), "probability", "model", "shop-1", "r", "u", "s")
    good.answered(answer, [], Worth(0.25))
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
    async def simulated(*_: object) -> Summary:
        return summary

    monkeypatch.setattr(command, "simulate", simulated)
    assert command.run([*URL, "-o", "json"]) == code
    printed = json.loads(capsys.readouterr().out)
    assert printed == summary.report()
    assert command.run(list(URL)) == code
    assert summary.line() in capsys.readouterr().out


def test_random_lists_need_a_catalogue(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.run(["--random"])
    assert "--items" in capsys.readouterr().err


def test_a_damaged_memory_is_told_before_anything_is_sent(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clicks.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        command.run(["--random", "--items", "30", "--memory", str(path)])
    assert "clicks.json" in capsys.readouterr().err


def test_a_memory_that_cannot_be_written_is_told_before_anything_is_sent(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def simulated(*_: object) -> Summary:
        raise AssertionError("it started")

    monkeypatch.setattr(command, "simulate", simulated)
    for path in (tmp_path / "nowhere" / "clicks.json", tmp_path):
        with pytest.raises(SystemExit, match="2"):
            command.run(["--random", "--items", "30", "--memory", str(path)])
        assert "--memory: [Errno" in capsys.readouterr().err


def test_a_memory_that_cannot_be_written_any_more_does_not_cost_the_result(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clicks.json"

    async def simulated(*_: object) -> Summary:
        path.unlink()
        path.mkdir()
        return Summary()

    monkeypatch.setattr(command, "simulate", simulated)
    words = ["--random", "--items", "30", "--memory", str(path), "-o", "json"]
    assert command.run(words) == 2
    said = capsys.readouterr()
    assert json.loads(said.out) == Summary().report()
    assert "clicks.json" in said.err


def test_a_catalogue_whose_tastes_take_too_long_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.run(["--random", "--items", "20001", "--users", "500"])
    assert "10,000,000" in capsys.readouterr().err


def test_tastes_are_computed_before_the_first_request(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []
    monkeypatch.setattr(Best, "prepare", lambda *_: done.append("tastes"))
    ask = AtRandom.recommend

    async def recommend(self: AtRandom, query: Query) -> Recommendation:
        done.append("request")
        return await ask(self, query)

    monkeypatch.setattr(AtRandom, "recommend", recommend)
    assert command.run(["--random", "--items", "30", "--seconds", ".1", "--rate", "200"]) == 0
    assert done[:2] == ["tastes", "request"]


def test_runs_of_the_same_users_share_tastes_and_memory(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clicks.json"
    shared = [
        "--random", "--items", "30", "--users", "3", "--tastes", "5", "--seconds", "0.3",
        "--rate", "200", "--memory", str(path), "-o", "json",
    ]  # fmt: skip

    def arm(seed: int) -> dict[str, float]:
        assert command.run([*shared, "--seed", str(seed)]) == 0
        found: dict[str, float] = json.loads(capsys.readouterr().out)["versions"]["random"]
        return found

    first, second = arm(1), arm(2)
    assert 0 < first["share_of_best"] < 1
    assert second["best_click_through"] < first["best_click_through"], "users have clicked"
    assert len(json.loads(path.read_text(encoding="utf-8"))) == 3
