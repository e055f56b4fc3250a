"""`open` leads to pages that the console has."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import cast

import pytest

from recommender_console.site import app
from recommender_kubectl import arguments, open_command
from recommender_kubectl.cluster import Cluster, ClusterError
from recommender_kubectl.console import Console
from recommender_kubectl.open_command import FORWARDED, VARIABLE
from recommender_kubectl.views.why import NoVersionError
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, CHAMPION
from tests.unit.recommender_kubectl.test_command_line import FakeCluster

PAGE = f"/models/{samples.read_model().namespace}/movies"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []

    def start(url: str) -> bool:
        found.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", start)
    monkeypatch.delenv(VARIABLE, raising=False)
    return found


def run(*words: str, as_json: bool = False) -> int:
    given = arguments.parser().parse_args(["open", *words])
    return open_command.open_page(cast(Cluster, FakeCluster()), Console(as_json=as_json), given)


def test_a_browser_gets_the_page_of_the_model(
    opened: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("movies") == 0
    assert opened == [FORWARDED + PAGE]
    assert capsys.readouterr().out == f"{FORWARDED}{PAGE}\n"


def test_print_starts_no_browser(opened: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run("movies", CANDIDATE, "--print", as_json=True) == 0
    url = f"{FORWARDED}{PAGE}/versions/{CANDIDATE}"
    assert json.loads(capsys.readouterr().out) == {"url": url}
    assert opened == []


def test_the_flag_goes_before_the_variable(
    opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "https://c.example/")
    run("movies")
    run("movies", "--console", "https://d.example")
    assert opened == [f"https://c.example{PAGE}", f"https://d.example{PAGE}"]


def test_without_a_browser_the_address_is_still_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    assert run("movies") == 0
    said = capsys.readouterr()
    assert PAGE in said.out
    assert "no browser" in said.err


def test_a_version_that_does_not_exist_is_refused_with_those_that_do(opened: list[str]) -> None:
    with pytest.raises(NoVersionError, match=CANDIDATE):
        run("movies", "movies-nothere")
    assert opened == []


@pytest.mark.parametrize(
    "base",
    [
        "localhost:8080",
        "file:///etc",
        "javascript:x",
        "http://",
        "?",
        "http://[::1",
        "http://c.example:x",
        "http://c.example@d.example",
        "http://c.example/\n",
    ],
)
def test_what_is_no_console_is_not_opened(base: str, opened: list[str]) -> None:
    with pytest.raises(ClusterError, match="--console"):
        run("movies", "--console", base)
    assert opened == []


def test_a_report_is_that_of_the_candidate_unless_a_version_is_named(opened: list[str]) -> None:
    run("movies", "--report")
    run("movies", CHAMPION, "--report")
    pages = [f"{FORWARDED}{PAGE}/versions/{name}/report" for name in (CANDIDATE, CHAMPION)]
    assert opened == pages


def test_without_a_candidate_the_report_is_that_of_the_champion() -> None:
    model = samples.read_model()
    assert open_command.reported(dataclasses.replace(model, candidate=None)) == CHAMPION
    with pytest.raises(NoVersionError, match="neither"):
        open_command.reported(dataclasses.replace(model, candidate=None, champion=None))


@pytest.mark.parametrize(
    ("words", "route"),
    [
        ([], app._MODEL),
        ([CANDIDATE], app._VERSION),
        ([CANDIDATE, "--report"], f"{app._VERSION}/report"),
    ],
)
def test_the_console_has_the_page(words: list[str], route: str, opened: list[str]) -> None:
    run("movies", *words)
    (url,) = opened
    pattern = re.sub(r"{(\w+):((?:[^{}]|{[0-9,]+})*)}", r"(?:\2)", route)
    assert re.fullmatch(pattern, url.removeprefix(FORWARDED))
