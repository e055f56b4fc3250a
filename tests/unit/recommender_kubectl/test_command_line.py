"""Arguments, exit codes, completion and errors, without an API server."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any, cast

import pytest
import yaml

from recommender_kubectl import __main__, arguments, completion, request_commands
from recommender_kubectl.cluster import Cluster, ClusterError, ConflictError
from recommender_kubectl.console import Console
from recommender_kubectl.objects import Model, Version
from recommender_kubectl.requests import Maker, promote
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, CHAMPION, OLD


class FakeCluster:
    """One model; the first patches meet a model that has changed."""

    def __init__(self, conflicts: int = 0) -> None:
        self.conflicts = conflicts
        self.reads = 0
        self.patches: list[dict[str, Any]] = []
        self.namespace = "team-a"

    def model(self, _name: str) -> Model:
        self.reads += 1
        return samples.read_model()

    def models(self) -> list[Model]:
        return [samples.read_model()]

    def versions(self, _model: str) -> list[Version]:
        return samples.read_versions()

    def patch(self, _name: str, patch: dict[str, Any], *, dry_run: bool) -> Model:
        assert not dry_run
        if len(self.patches) < self.conflicts:
            self.patches.append(patch)
            raise ConflictError
        self.patches.append(patch)
        return samples.read_model()


def submit(fake: FakeCluster, make: Maker) -> None:
    request_commands.submit(cast(Cluster, fake), "movies", make)


def test_after_a_conflict_the_model_is_checked_again() -> None:
    fake = FakeCluster(conflicts=2)
    submit(fake, promote)
    assert (fake.reads, len(fake.patches)) == (3, 3)
    tokens = {
        patch["metadata"]["annotations"]["recommender.dev/promote"] for patch in fake.patches
    }
    assert len(tokens) == 1


def test_a_model_that_never_rests_is_given_up() -> None:
    with pytest.raises(ClusterError, match="changed 10 times"):
        submit(FakeCluster(conflicts=100), promote)


@pytest.mark.parametrize(
    ("given", "seconds"), [("90", 90), ("1.5", 1.5), ("90s", 90), ("30m", 1800), ("1h30m", 5400)]
)
def test_a_duration_is_written_as_in_kubectl(given: str, seconds: float) -> None:
    assert arguments.seconds(given) == seconds


def test_flags_of_the_target_stand_before_or_after_the_verb() -> None:
    for words in (["-n", "x", "status"], ["status", "-n", "x"], ["status", "--namespace=x"]):
        assert arguments.target(arguments.parser().parse_args(words)).namespace == "x"


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["dance"],
        ["why"],
        ["watch", "m", "--timeout", "soon"],
        ["pause"],
        ["status", "m", "-A"],
    ],
)
def test_wrong_arguments_end_with_code_2(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        __main__.run(words)
    assert caught.value.code == 2
    assert "kubectl recommender" in capsys.readouterr().err


@pytest.mark.parametrize("verb", [*arguments.READERS, *arguments.ACTIONS])
def test_the_help_of_a_verb_has_an_example_that_parses(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        __main__.run([verb, "--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    example = said.split("example:\n")[1].strip().removeprefix("kubectl recommender ")
    assert arguments.parser().parse_args(example.split()).verb == verb


def kubeconfig(folder: pathlib.Path, server: str) -> str:
    path = folder / "config"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
    }
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return str(path)


def test_an_unreachable_api_server_is_told_in_one_line(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Port 0 accepts no connection.
    config = kubeconfig(tmp_path, "http://127.0.0.1:0")
    assert __main__.run(["status", "--kubeconfig", config]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: the API server does not answer")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("flags", [["--kubeconfig", "/none"], ["--context", "elsewhere"]])
def test_a_kubeconfig_that_cannot_be_used_is_told(
    flags: list[str], tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = kubeconfig(tmp_path, "http://127.0.0.1:0")
    assert __main__.run(["status", "--kubeconfig", config, *flags]) == 2
    assert "no usable kubeconfig" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"a: [1\nb: }", b"\xff\xfe\x00", b"[]", b"", b"contexts: 3", b"just text"]
)
def test_a_file_that_is_no_kubeconfig_is_told_in_words(
    content: bytes, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config"
    path.write_bytes(content)
    assert __main__.run(["status", "--kubeconfig", str(path)]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: no usable kubeconfig (--kubeconfig, --context)")
    assert len(said.splitlines()) == 1


def test_a_reader_that_has_enough_ends_it_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in `kubectl recommender history movies | head -1`."""

    @contextlib.contextmanager
    def opened(_target: object) -> Iterator[FakeCluster]:
        yield FakeCluster()

    monkeypatch.setattr(__main__, "opened", opened)
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as closed:
        monkeypatch.setattr("sys.stdout", closed)
        assert __main__.run(["history", "movies"]) == 141, "as if SIGPIPE had ended it"
        closed.write("what the interpreter writes at its end fails no more")


def completed(*words: str) -> list[str]:
    return completion.candidates(words, cast(Cluster, FakeCluster()))


def test_completion_offers_verbs_models_and_versions() -> None:
    assert completed("") == sorted([*arguments.READERS, *arguments.ACTIONS])
    assert completed("re") == ["resume", "retrain"]
    assert completed("status", "") == ["movies"]
    assert completed("-n", "team-a", "status", "m") == ["movies"]
    assert completed("rollback", "movies", "--to", "") == [OLD, CHAMPION, CANDIDATE]
    assert completed("diff", "movies", CHAMPION, "movies-2") == [CANDIDATE]
    assert completed("diff", "movies", OLD, CHAMPION, "") == []
    assert completed("status", "-o", "") == ["json", "text"]
    assert completed("status", "movies", "") == []


def test_completion_offers_the_flags_of_a_verb() -> None:
    assert {"--to", "--wait", "--dry-run", "--namespace"} <= set(completed("rollback", "-"))
    assert "--to" not in completed("promote", "--")


def test_without_an_api_server_verbs_are_completed_and_nothing_fails(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = kubeconfig(tmp_path, "http://127.0.0.1:0")
    for words, expected in ((["prom"], "promote\n:4\n"), (["status", "m"], ":4\n")):
        monkeypatch.setattr("sys.argv", ["complete", "--kubeconfig", config, *words])
        completion.main()
        assert capsys.readouterr().out == expected


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Console().style.colour
    monkeypatch.setattr("sys.stdout", Terminal())
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Console().style.colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Console().style.colour


def test_json_is_printed_without_colours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stdout", terminal)
    Console(as_json=True).show({"a": 1}, ["painted"])
    assert json.loads(terminal.getvalue()) == {"a": 1}
