"""A champion whose record is removed by force is rebuilt from its artifact, and serves on."""

from __future__ import annotations

import dataclasses
import json

import pytest

from recommender_operator import actions as a
from recommender_operator.api.version import ModelVersionStatus
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.started_worlds import (
    in_canary,
    promoted_first,
    rolled_out_second,
)
from tests.unit.recommender_operator.world import World


def forced_out(world: World) -> str:
    """Remove the champion's record, whatever holds it; its service outlives it."""
    champion = world.champion()
    assert champion is not None
    del world.versions[champion]
    return champion


def since(world: World, start: int) -> set[type]:
    return {type(action) for action in world.log[start:]}


@pytest.mark.parametrize("previous", [True, False], ids=["with previous", "alone"])
def test_a_champion_that_is_forced_out_is_rebuilt_without_a_training_or_a_move_of_traffic(
    previous: bool,
) -> None:
    world = rolled_out_second() if previous else promoted_first()
    before = world.versions[str(world.champion())]
    start, services, route = len(world.log), dict(world.services), dict(world.route)
    name = forced_out(world)
    world.settle()
    after = world.versions[name]
    assert world.champion() == name
    assert after.uid != before.uid
    assert after.spec == before.spec
    dropped = {"steps": (), "experiment": None, "interleaving": None, "data_checks": None}
    assert after.status == before.status.model_copy(update=dropped)
    assert after.held, "it is held as before"
    assert (world.services, world.route) == (services, route)
    assert since(world, start) == {a.CreateVersion, a.UpdateVersion, a.HoldVersion}
    assert [event.reason for event in world.events].count("Rebuilt") == 1


def test_a_champion_without_its_service_is_deployed_from_its_artifact() -> None:
    world = World(spec=spec(serving={"keepPrevious": False}))
    world.settle()
    start, artifact = len(world.log), world.versions[str(world.champion())].status.artifact
    name = forced_out(world)
    world.services.pop(name)
    world.settle()
    assert world.champion() == name
    assert world.versions[name].status.artifact == artifact
    assert world.services[name].ready
    assert a.StartJob not in since(world, start)


@pytest.mark.parametrize("crash", [0, 1])
def test_an_operator_that_dies_in_a_rebuild_ends_it_later(crash: int) -> None:
    world = rolled_out_second()
    route = dict(world.route)
    name = forced_out(world)
    world.reconcile(crash_after=crash)
    world.reconcile(crash_after=crash)
    world.settle()
    assert world.champion() == name
    assert world.route == route


def test_a_champion_forced_out_in_a_rollout_is_rebuilt_beside_its_candidate() -> None:
    world = in_canary()
    candidate, route = world.status.candidate, dict(world.route)
    name = forced_out(world)
    for _ in range(3):
        world.reconcile()
        assert world.route == route
    assert world.champion() == name
    world.settle()
    assert world.champion() == candidate


def test_a_candidate_that_is_forced_out_is_not_taken_for_the_champion() -> None:
    world = in_canary()
    candidate, champion = world.status.candidate, world.champion()
    assert candidate is not None
    del world.versions[candidate]
    world.reconcile()
    assert world.champion() == champion
    assert world.route == {champion: 100}


def test_the_record_of_a_champion_does_not_change_while_the_next_one_is_rolled_out() -> None:
    """Else each step of a rollout would write the model's status once more."""
    world = promoted_first()
    record = world.status.champion_record
    world.seed(2)
    for _ in range(30):
        world.reconcile()
        world.finish_jobs()
        world.tick()
        if world.champion() != world.status.champion or world.weight > 50:
            break
        assert world.status.champion_record == record


def test_a_record_that_was_created_again_without_its_status_is_completed() -> None:
    """As `kubectl apply` of a backup does: it leaves the status out."""
    world = rolled_out_second()
    champion = world.versions[str(world.champion())]
    world.versions[champion.name] = dataclasses.replace(
        champion, uid="restored", held=False, status=ModelVersionStatus()
    )
    start = len(world.log)
    world.settle()
    assert world.champion() == champion.name
    assert not since(world, start) & {a.StartJob, a.SetTraffic}


def changed(text: str, section: str, **fields: object) -> str:
    record = json.loads(text)
    return json.dumps({**record, section: {**record[section], **fields}})


def pointing(text: str, **fields: object) -> str:
    """Return a copy that somebody who can write the status made point elsewhere."""
    artifact = json.loads(text)["status"]["artifact"]
    return changed(text, "status", artifact={**artifact, **fields})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "{",
        lambda _: "[]",
        lambda text: text.replace('"sha256:', '"md5:').replace('"artifact"', '"other"'),
        lambda text: changed(text, "spec", model="books"),
        lambda text: changed(text, "spec", specHash="0" * 64),
        lambda text: pointing(text, path="artifacts/books/0123456789abcdef"),
        lambda text: pointing(text, digest="sha256:" + "0" * 64),
        lambda text: pointing(text, digest="none", path="artifacts/movies/none"),
    ],
    ids=[
        "none",
        "no JSON",
        "no object",
        "no artifact",
        "of another model",
        "of another version",
        "a folder of another model",
        "a digest that is not the folder's",
        "no digest",
    ],
)
def test_without_a_usable_record_the_former_champion_takes_over(spoil: object) -> None:
    world = rolled_out_second()
    former = world.status.previous
    name = forced_out(world)
    text = spoil(world.status.champion_record)  # type: ignore[operator]
    world.status = world.status.model_copy(update={"champion_record": text})
    world.reconcile()
    assert world.champion() == former
    assert world.route == {former: 100}
    assert "Rebuilt" not in [event.reason for event in world.events]
    assert world.versions.get(name) is None or world.versions[name].status.artifact is None
