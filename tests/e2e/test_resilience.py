"""Faults of a platform: killed processes, evicted pods, deleted models."""

from __future__ import annotations

import datetime
import re

import pytest

from tests.e2e.conftest import REQUESTS_A_SECOND, Better, NewWorld
from tests.scenario import faults, stories
from tests.scenario.traffic import TrafficWatch
from tests.scenario.world import World

pytestmark = pytest.mark.e2e

#: Stages that last long enough to be observed; the operator is killed once in each.
STAGES = {"CheckingData", "Training", "Publishing", "Deploying", "Canary"}
#: Time from the write of a route until the data plane applies it: Traefik collects changes for
#: 0.5 s, and the machine may be busy.
RELOAD = datetime.timedelta(seconds=5)


@pytest.mark.parametrize("world", ["Gateway"], indirect=True)
def test_given_a_rollout_when_the_operator_dies_in_each_stage_then_the_end_is_the_same(
    champion: World, better: Better
) -> None:
    died: set[str] = set()

    def dies_in_each_stage() -> bool:
        stage = champion.status.get("stage", "")
        if stage in STAGES - died:
            faults.kill_operator(champion.cluster)
            died.add(stage)
        return bool(champion.decision(version))

    with faults.alone_with_operator():
        version = champion.new_version_after(lambda: champion.apply(stories.better(seed=29)))
        champion.until(f"a decision about {version}", dies_in_each_stage, 600)
        champion.until_settled()
    assert died == STAGES
    assert champion.champion == version
    assert stories.left_by_a_rollout(champion) == better.left


#: Time in which another process of the operator leads after a crash: 10 to 13 s by the chart's
#: Lease, and a margin for a busy machine.
TAKEOVER_SECONDS = 40


@pytest.mark.parametrize("world", ["Gateway"], indirect=True)
def test_given_a_canary_when_the_leader_dies_and_an_upgrade_follows_then_one_verdict_stands(
    champion: World, better: Better
) -> None:
    with faults.alone_with_operator():
        version = champion.new_version_after(lambda: champion.apply(stories.better(seed=61)))
        champion.until("the canary", lambda: champion.status.get("candidateWeight", 0) > 0, 300)
        assert faults.kill_leader(champion.cluster) < TAKEOVER_SECONDS
        faults.upgrade_operator(champion.cluster)
        assert champion.until_decided(version) == "Promoted", champion.describe()
        champion.until_settled()
    assert champion.champion == version
    assert stories.left_by_a_rollout(champion) == better.left
    # Each decision has a number of its own, so a second verdict would leave a gap or another one.
    status = champion.version(version)["status"]
    assert status["decision"]["sequence"] == status["steps"][-1]["number"] + 1, status
    assert status["promotion"] == status["decision"]["sequence"], status
    assert status["decision"]["reason"] == "StepsPassed", status


@pytest.mark.parametrize("world", ["Gateway"], indirect=True)
def test_given_a_champion_when_a_training_runs_out_of_memory_then_it_says_so_and_serving_goes_on(
    champion: World,
) -> None:
    stable = champion.champion
    starved = {
        "training": {"seed": 43, "backoffLimit": 0, "resources": {"limits": {"memory": "200Mi"}}}
    }
    version = champion.new_version_after(lambda: champion.apply(starved))
    assert champion.until_decided(version) == "Failed", champion.describe()
    assert champion.decision(version)["reason"] == "OOMKilled", champion.decision(version)
    # The model's status follows that of its version.
    champion.until(
        "the model to report it",
        lambda: champion.condition("UpToDate").get("reason") == "OOMKilled",
        60,
    )
    reported = champion.condition("UpToDate")
    assert (reported["status"], reported["reason"]) == ("False", "OOMKilled")
    assert "more memory than its limit of 200Mi: raise" in reported["message"]
    ready = champion.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("True", "Serving")
    assert champion.champion == stable
    assert champion.answer()["version"] == stable


def test_given_a_canary_when_it_is_evicted_it_continues_and_when_it_refuses_it_is_rolled_back(
    new_world: NewWorld,
) -> None:
    half = {"steps": [{"weight": 50}, {"weight": 100}]}
    # An eviction takes time, and the step must not end before.
    world = new_world({"rollout": {**half, "analysis": {"stepSeconds": 200}}})
    stories.first_version(world)
    stable = world.champion or ""
    world.start_load(REQUESTS_A_SECOND)
    candidate = stories.better(seed=47)
    with faults.alone_with_operator():
        version = world.new_version_after(lambda: world.apply(candidate))
        world.until("the canary", lambda: world.status.get("candidateWeight", 0) > 0, 300)
        world.route = TrafficWatch(world.kube, world.name, "Gateway")
        healthy = datetime.datetime.now(datetime.UTC)
        pod = faults.fill_scratch(world, version)
        world.until("the eviction", lambda: faults.evicted(world, pod), 120)
        world.until("all requests for stable", lambda: {stable: 100} in world.route_splits, 120)
    back = world.route.zero_since(version)
    world.apply({**candidate, "rollout": {"analysis": {"stepSeconds": 10}}})
    assert world.until_decided(version) == "Promoted", world.describe()
    world.until_settled()
    comes_back_and_refuses(world, stable)
    assert world.load is not None
    figures = world.load.stop()
    # Its only pod is evicted before the route can change. No other request is lost, so none of
    # those that the version that came back refused: the Gateway repeated them.
    lost = [datetime.datetime.fromtimestamp(at, datetime.UTC) for at in figures["failed_between"]]
    assert back is not None
    print(f"lost {figures['failed']} of {figures['sent']} requests, sent from .. to {lost}")
    assert all(healthy < at < back + RELOAD for at in lost), (healthy, back, figures)


def comes_back_and_refuses(world: World, version: str) -> None:
    """Roll out a former version again, whose pods refuse requests: only the Gateway sees that."""

    def rolled_back() -> bool:
        return bool(world.decision(version).get("outcome") == "RolledBack")

    # Pods whose probes are refused for long become unready, and are withdrawn without a verdict.
    with faults.alone_with_operator():
        world.apply()  # The first version's configuration: it is trained, published and warm.
        begun = world.until("the canary", lambda: world.status.get("candidateWeight", 0) > 0, 120)
        assert world.status["candidate"] == version
        with faults.refused(world.kube.serving_pods(version)):
            seconds = world.until("its rollback", rolled_back, 180)
    status = world.version(version)["status"]
    decision = status["decision"]
    print(f"{begun:.1f} s to the canary, {seconds:.1f} s to its end: {decision['message']}")
    assert decision["reason"] == "AnalysisFailed", decision
    (said,) = re.findall(r"the Gateway lost (\d+) of them", decision["message"])
    (rate,) = (m for m in status["steps"][-1]["metrics"] if m["metric"] == "successRate")
    # All failed requests are the Gateway's: the pods counted no error, and were ready.
    assert rate["value"] == pytest.approx(1 - int(said) / rate["sampleSize"]), rate
    interrupted = status["interruptions"]
    assert (interrupted["restarts"], interrupted["withdrawals"]) == (0, 0), interrupted


def test_given_a_canary_when_the_model_is_deleted_then_nothing_remains(
    new_world: NewWorld,
) -> None:
    world = new_world()
    stories.first_version(world)
    world.new_version_after(lambda: world.apply(stories.better()))
    world.until("the canary", lambda: world.status.get("stage") == "Canary", 300)
    assert world.stored()
    world.remove()
    assert world.stored() == []


@pytest.mark.parametrize("world", ["Gateway"], indirect=True)
def test_given_two_models_when_one_rolls_back_then_the_other_is_not_affected(
    champion: World, books: World
) -> None:
    stories.first_version(books)
    before = books.version(books.champion or "")["status"]
    stories.faulty_version(champion, seed=59)
    assert list(books.kube.versions("books")) == [books.champion]
    assert books.version(books.champion or "")["status"] == before
    assert books.answer()["version"] == books.champion
