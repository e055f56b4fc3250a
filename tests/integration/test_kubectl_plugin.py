"""`kubectl recommender` against a real API server with the definitions; no operator runs."""

from __future__ import annotations

import copy
import datetime
import json
import os
import pathlib
import subprocess
import sys
import time
import types
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from recommender_kubectl import __main__, request_commands, requests, watch_command
from recommender_kubectl.cluster import Cluster, ConflictError, Target, opened
from tests.cluster import api
from tests.integration import operator_api_rig as rig
from tests.integration.model_objects import asked, model, put, put_version, set_status
from tests.unit.recommender_kubectl import samples
from tests.unit.recommender_kubectl.samples import CANDIDATE, CHAMPION, OLD

pytestmark = pytest.mark.integration

Json = dict[str, Any]


@pytest.fixture
def world(namespace: str) -> str:
    """A namespace with a model and its versions, as an operator would leave them."""
    spec = {k: v for k, v in samples.MODEL["spec"].items() if k not in ("data", "storage")}
    put("recommendermodels", rig.manifest(namespace, **spec), samples.MODEL["status"])
    for body in samples.versions():
        put_version(namespace, body)
    return namespace


def run(namespace: str, *words: str) -> int:
    return __main__.run(["--kubeconfig", str(rig.kubeconfig()), "-n", namespace, *words])


def instead_of_sleep(act: Callable[[float], None]) -> types.SimpleNamespace:
    """A module `time` for one module alone: kubectl's own process is waited for with sleeps."""
    return types.SimpleNamespace(sleep=act, monotonic=time.monotonic)


def test_readers_show_what_the_api_server_has(
    world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("status", "why", "history"):
        assert run(world, verb, "movies") == 0
        assert CANDIDATE in capsys.readouterr().out
    assert run(world, "status") == 0
    assert f"{CHAMPION}   50 %" in capsys.readouterr().out
    assert run(world, "status", "-A", "-o", "json") == 0
    everything = json.loads(capsys.readouterr().out)
    assert world in {one["namespace"] for one in everything}
    assert run(world, "diff", "movies", CHAMPION, CANDIDATE, "-o", "json") == 0
    found = {one["field"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["hyperparameters.epochs"]["second"] == 20


@pytest.mark.parametrize(
    ("words", "annotation", "start"),
    [
        (["promote", "movies"], "promote", "cli-"),
        (["abort", "recommendermodel/movies"], "abort", "cli-"),
        (["rollback", "movies", "--to", OLD], "rollback-to", f"{OLD}#cli-"),
    ],
)
def test_a_request_is_written_as_an_annotation(
    world: str, words: list[str], annotation: str, start: str
) -> None:
    assert run(world, *words, "--dry-run") == 0
    assert asked(world) == {}
    assert run(world, *words) == 0
    (found,) = asked(world).items()
    assert found[0] == f"recommender.dev/{annotation}"
    assert found[1].startswith(start)


def test_a_lock_is_released_by_a_retry(world: str) -> None:
    set_status(world, {"locked": True, "stage": "Locked"})
    assert run(world, "unlock", "movies") == 0
    assert list(asked(world)) == ["recommender.dev/retry"]


def test_a_pause_and_its_end_change_the_spec_alone(world: str) -> None:
    before = model(world)["spec"]
    assert run(world, "pause", "movies") == 0
    assert model(world)["spec"] == {**before, "paused": True}
    assert run(world, "promote", "movies") == 1
    assert run(world, "resume", "movies") == 0
    assert model(world)["spec"] == {**before, "paused": False}


def test_what_makes_no_sense_writes_nothing(
    world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.kubectl(
        "-n", world, "patch", "recommendermodel", "movies", "--subresource=status",
        "--type=json", "-p", '[{"op": "remove", "path": "/status/candidate"}]',
    )  # fmt: skip
    assert run(world, "promote", "movies") == 1
    assert "there is no candidate" in capsys.readouterr().err
    assert asked(world) == {}


def test_a_patch_on_a_state_that_has_changed_is_a_conflict(world: str) -> None:
    target = Target(kubeconfig=str(rig.kubeconfig()), namespace=world)
    with opened(target) as cluster:
        stale = requests.promote(cluster.model("movies"), cluster.versions("movies"), "t")
        set_status(world, {"candidateWeight": 51})
        with pytest.raises(ConflictError):
            cluster.patch("movies", stale.patch)
    assert asked(world) == {}


def test_a_model_that_changes_between_reading_and_writing_is_looked_at_again(
    world: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch, changes = Cluster.patch, [61, 62]

    def meanwhile(self: Cluster, name: str, body: Json, *, dry_run: bool = False) -> object:
        if changes:
            set_status(world, {"candidateWeight": changes.pop()})
        return patch(self, name, body, dry_run=dry_run)

    monkeypatch.setattr(Cluster, "patch", meanwhile)
    assert run(world, "promote", "movies") == 0
    assert changes == []
    assert list(asked(world)) == ["recommender.dev/promote"]


def test_wait_ends_with_the_answer_of_the_operator(
    world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def operator(_seconds: float) -> None:
        token = asked(world)["recommender.dev/abort"]
        at = samples.at(0)
        entry = {"action": "abort", "token": token, "at": at, "result": "Refused: too late"}
        set_status(world, {"handled": [entry]})

    monkeypatch.setattr(request_commands, "time", instead_of_sleep(operator))
    assert run(world, "abort", "movies", "--wait") == 1
    assert "Refused: too late" in capsys.readouterr().out


def test_wait_ends_when_the_time_is_up(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(world, "abort", "movies", "--wait", "--timeout", "0") == 2
    assert "the request stands" in capsys.readouterr().err


def test_a_watch_ends_with_the_decision(
    world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def operator(_seconds: float) -> None:
        ended = samples.decision("RolledBack", "AnalysisFailed", "successRate 0.91", 0)
        set_status(world, {"stage": "RolledBack", "decision": ended}, CANDIDATE, "modelversions")

    monkeypatch.setattr(watch_command, "time", instead_of_sleep(operator))
    assert run(world, "watch", "movies") == 1
    first, last = capsys.readouterr().out.strip().splitlines()
    assert "step 2 of 3" in first
    assert "AnalysisFailed: successRate 0.91" in last


def test_a_watch_right_after_a_retrain_follows_the_version_that_it_makes(
    world: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settled = [samples.condition("UpToDate", "True", "Settled", "serves")]
    set_status(world, {"candidate": None, "stage": "Serving", "conditions": settled})
    assert run(world, "retrain", "movies") == 0
    (token,) = asked(world).values()
    new = copy.deepcopy(samples.versions()[-1])
    new["metadata"]["name"] = "movies-3d3d3d3d"

    def take_up() -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat()
        entry = {"action": "retrain", "token": token, "at": now, "result": "a retraining starts"}
        made = {"token": "t", "reason": "r", "requestedAt": now, "version": "movies-3d3d3d3d"}
        set_status(world, {"handled": [entry], "retrain": made})

    def create() -> None:
        put_version(world, new)
        set_status(world, {"candidate": "movies-3d3d3d3d"})

    def promote() -> None:
        ended = samples.decision("Promoted", "AnalysisPassed", "better", 0)
        status = {"stage": "Promoted", "decision": ended}
        set_status(world, status, "movies-3d3d3d3d", "modelversions")

    looks = iter((take_up, create, promote))
    monkeypatch.setattr(watch_command, "time", instead_of_sleep(lambda _: next(looks)()))
    assert run(world, "watch", "movies") == 0
    asks, starts, _, ends = capsys.readouterr().out.strip().splitlines()[-4:]
    assert "has not taken up retrain yet" in asks
    assert "movies-3d3d3d3d is about to start" in starts
    assert "movies-3d3d3d3d Promoted" in ends


def test_a_watch_ends_when_the_time_is_up(world: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(world, "watch", "movies", "--timeout", "0s") == 2
    assert "no decision within 0 s" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_named(
    world: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(world, "why", "books") == 2
    assert f"there is no model 'books' in namespace {world}" in capsys.readouterr().err


def test_a_missing_right_is_named_with_the_rule_that_grants_it(
    world: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rig.kubectl("-n", world, "create", "serviceaccount", "reader")
    verbs = ("--verb=get,list", "--resource=recommendermodels,modelversions")
    rig.kubectl("-n", world, "create", "role", "reader", *verbs)
    subject = f"--serviceaccount={world}:reader"
    rig.kubectl("-n", world, "create", "rolebinding", "reader", "--role=reader", subject)
    token = rig.kubectl("-n", world, "create", "token", "reader").strip()
    config = yaml.safe_load(rig.kubeconfig().read_text(encoding="utf-8"))
    for user in config["users"]:
        user["user"] = {"token": token}
    path = tmp_path / "reader.kubeconfig"
    path.write_text(yaml.safe_dump(config), encoding="utf-8")

    def as_reader(*words: str) -> int:
        return __main__.run(["--kubeconfig", str(path), "-n", world, *words])

    assert as_reader("status", "movies") == 0
    assert as_reader("promote", "movies") == 2
    said = capsys.readouterr().err
    assert f"you may not patch recommendermodels in namespace {world}" in said
    assert 'verbs ["patch"] of recommendermodels in the group recommender.dev' in said
    assert as_reader("status", "-A") == 2
    assert "you may not list" in capsys.readouterr().err


def test_kubectl_runs_it_as_its_plugin_and_completes_its_words(
    world: str, tmp_path: pathlib.Path
) -> None:
    for script, module in (
        ("kubectl-recommender", "__main__"),
        ("kubectl_complete-recommender", "completion"),
    ):
        path = tmp_path / script
        start = f"from recommender_kubectl.{module} import main; main()"
        path.write_text(f"#!{sys.executable}\n{start}\n", encoding="utf-8")
        path.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "KUBECONFIG": str(rig.kubeconfig()),
    }

    def kubectl(*words: str) -> str:
        tool = api.tool("kubectl")
        done = subprocess.run(
            [tool, *words], env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    assert "movies   Canary" in kubectl("recommender", "status", "-n", world)
    words = ("__complete", "recommender", "rollback", "movies", "-n", world, "--to", "movies-0")
    assert kubectl(*words).splitlines()[:2] == [OLD, ":4"]
