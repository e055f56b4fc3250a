"""The how-to pages, command by command, on a real API server with the operator's real process.

Nothing runs containers: Jobs, pods, services and the Gateway are played. `tests/pages/howtos.py`
lists the commands that need more, and where else they run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration import operator_api_rig as rig
from tests.integration.page_release import opened
from tests.integration.page_world import World
from tests.pages import howtos
from tests.pages.blocks import ROOT

pytestmark = pytest.mark.integration

#: What the plugin exits with if there is nothing to show.
NOTHING = 1


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A reader whose first steps were those of `install.md`."""
    with opened(tmp_path_factory.mktemp("reader")) as world:
        yield world


def test_after_the_installation_a_model_serves_in_the_watched_namespace(world: World) -> None:
    world.quiet()
    assert world.condition("Ready") == "True"
    assert world.status()["operator"]["release"].startswith(f"{world.system}/")


def test_every_how_to_is_read_by_a_test() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    read = {page for page, files in howtos.READ.items() if howtos.HOW_TOS in files}
    pages = {*howtos.PAGES, *read} - {"install"}
    assert set(re.findall(r'world\.reading\("([\w-]+)"', tests)) == pages


def test_how_to_rollback(world: World) -> None:
    candidate, champion = world.candidate(), world.champion()
    with world.reading("rollback") as page:
        page.next("recommender abort")
        assert world.get("modelversion", candidate)["status"]["stage"] == "RolledBack"
        assert world.champion() == champion
        shown = page.next("recommender history")
        assert champion in shown
        kept = world.kept()
        page.next("recommender rollback")
        world.until("the kept version", lambda: world.champion() == kept)
        world.environment |= {"MODEL_HOST": "movies.example", "GATEWAY_URL": world.address()}
        assert kept in page.next("--for=condition=RequestsHonored")
        pinned = world.kept()
        page.next('"rollbackTo": "movies-')
        world.until("the pinned version", lambda: world.champion() == pinned)
        page.next('"rollbackTo": null')
        assert "rollbackTo" not in world.get("recommendermodel")["spec"]


def test_how_to_upgrade(world: World) -> None:
    world.current()
    champion = world.champion()
    with world.reading("upgrade") as page:
        assert "movies" in page.next("kubectl get recommendermodels -A")
        page.next("helm get values")
        page.next("apply --server-side")
        page.next("helm upgrade")
        assert "Succeeded" in page.next("helm test")
        page.next("recommender retrain")
        world.until("a retraining", lambda: world.status().get("candidate"))
        page.next("helm rollback")
    assert (world.champion(), world.condition("Ready")) == (champion, "True")


def test_how_to_backup(world: World) -> None:
    champion = world.promoted()
    world.model_file(world.get("recommendermodel")["spec"])
    versions = world.names("modelversions")
    with world.reading("backup") as page:
        page.next("team-a.json")
        lose(world)
        page.next("kubectl label persistentvolumeclaim artifacts")
        page.next("kubectl replace --subresource=status")
        page.next("kubectl apply")
        assert world.champion() == champion
        assert champion in page.next("recommender status -A")
    world.until("its answers", world.address)
    assert world.names("modelversions") == versions
    # Nothing was checked, trained or published again.
    assert world.names("jobs") == []


def lose(world: World) -> None:
    """Everything in the namespace is gone; its claims come back as the storage made them."""
    kinds = (
        "recommendermodels,modelversions,inferenceservices,httproutes,jobs,"
        "horizontalpodautoscalers,poddisruptionbudgets,networkpolicies"
    )
    rig.kubectl("-n", world.team, "delete", kinds, "--all", "--timeout=60s")
    pods = ("-l", "recommender.dev/component")
    world.until("the end of the pods", lambda: not world.names("pods", *pods))
    rig.kubectl("-n", world.team, "delete", "pods,persistentvolumeclaims", "--all")
    world.claims(world.team)


def test_how_to_troubleshooting(world: World) -> None:
    world.candidate()
    world.quiet()
    with world.reading("troubleshooting") as page:
        assert "RolledBack" in page.next("recommender why")
        page.next("recommender unlock")
        world.until("another attempt", lambda: world.status().get("candidate"))
        assert world.system in page.next("status.operator")


def test_how_to_gpu_nodes(world: World) -> None:
    world.current()
    with world.reading("gpu-nodes") as page:
        page.next("kubectl get nodes")
        page.next("images.training.tag")
        assert "movies" in page.next("recommender retrain")
    world.until("a retraining", lambda: world.status().get("candidate"))


def test_how_to_console(world: World) -> None:
    with world.reading("console") as page:
        page.next("console.enabled=true")
        assert "console" in rig.kubectl("-n", world.system, "get", "services", "-o", "name")
        page.next("job/report")


def test_how_to_security(world: World) -> None:
    owner = world.others["shop"]
    rig.kubectl("create", "namespace", owner)
    with world.reading("security", {"namespace shop": f"namespace {owner}"}) as page:
        page.next("rbac.aggregate=true")
        page.next("images.training.digest")
    assert "@sha256:" in rig.kubectl("-n", world.system, "get", "deployments", "-o", "yaml")


def test_how_to_operations(world: World) -> None:
    world.quiet()
    world.type(f"helm get values recommender --namespace {world.system} -o yaml > values.yaml")
    with world.reading("kubectl-plugin") as page:
        assert "movies" in page.next("recommender status")
    with world.reading("operations") as page:
        assert "recommender-operator" in page.next("get lease")
    with world.reading("upgrade-order") as page:
        page.next("helm.sh/resource-policy=keep")
        page.next("crds.install=false")
        page.next("--force-conflicts")
    with world.reading("several-releases", {r"\bblue\b": world.others["blue"]}) as page:
        try:
            page.next("operator.instance=")
        finally:
            world.type("helm uninstall {0} --namespace {0}".format(world.others["blue"]))
        world.type("kubectl label recommendermodel movies recommender.dev/instance-")
        claim = world.status()["operator"]
        page.next("/status/operator")
        assert "operator" not in world.status()
        page.next('"finalizers": null')
    # The operator takes a model without a claim only after minutes.
    world.claimed(claim)


def test_how_to_closed_loop(world: World) -> None:
    space = world.others["rehearsal"]
    models = ("shop", world.system)
    with world.reading("closed-loop") as page:
        page.next("closed-loop/claims.yaml")
        page.next("closed-loop/collector.yaml")
        page.next("samples/closed-loop.yaml")
        hurry(world)
        page.next("recommender.dev/retry")
        first = world.champion(*models)
        page.next("recommender -n recommender-system watch shop")
        assert world.champion(*models) not in ("", first)
    own = {r"(-n|namespace) rehearsal\b": rf"\1 {space}"}
    with world.reading("rehearse-loop", own) as page:
        page.next("helm install rehearsal")
        page.next("--patch-file")
        page.next("MODEL_HOST=")
        page.next("recommender.dev/snapshot")
        page.next("helm uninstall rehearsal")


def hurry(world: World) -> None:
    """The next rollout takes seconds, and no training reports explored places."""
    spec = {
        "evaluation": {"gates": [{"metric": "auc", "min": 0.55}]},
        "rollout": {
            "steps": [{"weight": 100}],
            "analysis": {"intervalSeconds": 1, "stepSeconds": 1, "minRequests": 1},
        },
    }
    rig.kubectl(
        "-n", world.system, "patch", "recommendermodel", "shop", "--type=merge",
        "-p", json.dumps({"spec": spec}),
    )  # fmt: skip


def test_how_to_own_columns(world: World) -> None:
    world.type("sed 's/name: movies/name: shop/' movies.yaml | kubectl apply -f -")
    with world.reading("own-columns") as page:
        assert "shop" in page.next("--for=condition=DataValid")


def test_how_to_notifications(world: World) -> None:
    with world.reading("notifications") as page:
        page.next("create secret generic receivers")


def test_how_to_snapshots(world: World) -> None:
    """The data of a model: snapshots, and a training on the past."""

    def taken() -> dict[str, object]:
        return world.status("hourly").get("snapshots") or {}

    hourly = {"spec": {"data": {"snapshots": {"every": "Hourly"}}}}
    world.type("sed 's/name: movies/name: hourly/' movies.yaml | kubectl create -f -")
    world.type(f"kubectl patch recommendermodel hourly --type=merge -p '{json.dumps(hourly)}'")
    world.until("a snapshot", lambda: taken().get("dataVersion"))
    with world.reading("snapshots", {r"\bshop\b": "hourly"}, "kubectl") as page:
        assert "i4.u1.t0-" in page.next("--for=condition=SnapshotTaken")
    assert world.get("recommendermodel", "hourly")["spec"]["data"]["asOf"]
    # Another page counts what there is.
    rig.kubectl("-n", world.team, "delete", "recommendermodel", "hourly", "--timeout=60s")
    own = ("-l", "recommender.dev/model=hourly")
    rig.kubectl("-n", world.team, "delete", "modelversions,jobs", *own)


def test_each_verb_of_the_plugin_does_what_its_table_says(world: World) -> None:
    page = (ROOT / "docs" / "kubectl-plugin.md").read_text(encoding="utf-8")
    table = page.split("| verb | what it does |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (`.*?`(?:, `.*?`)*)", table, re.MULTILINE)
    verbs = {text.split()[0] for row in rows for text in re.findall(r"`([^`]+)`", row)}
    typed: set[str] = set()

    def type(verb: str, *words: str, code: int = 0) -> str:
        typed.add(verb)
        return world.plugin(verb, *words, code=code)

    candidate, champion = world.candidate(), world.champion()
    assert f"{candidate}   50 %" in type("status")
    assert "auc" in type("why", "movies")
    assert candidate in type("history", "movies")
    assert "seed" in type("diff", "movies", champion, candidate)
    assert f"versions/{candidate}" in type("open", "movies", candidate, "--print")
    assert "has no experiment" in type("experiment", "movies", code=NOTHING)
    type("pause", "movies", "--wait")
    type("resume", "movies", "--wait")
    type("abort", "movies", "--wait")
    type("unlock", "movies", "--wait")
    world.until("another attempt", lambda: world.status().get("stage") == "Canary")
    type("promote", "movies", "--wait")
    type("watch", "movies", "--timeout", "1m")
    assert world.champion() == candidate
    type("retrain", "movies", "--wait")
    world.until("a retraining", lambda: world.status().get("candidate"))
    type("abort", "movies", "--wait")
    world.until("no candidate", lambda: not world.status().get("candidate"))
    type("rollback", "movies", "--wait")
    world.until("the former champion", lambda: world.champion() == champion)
    assert typed == verbs
