"""A model that is restored from a backup: with its versions, and without a status of its own."""

from __future__ import annotations

import dataclasses
import datetime

import pytest

from recommender_operator.api.status import HandledAction, RecommenderModelStatus, RetrainStatus
from recommender_operator.api.version_requests import MAX_HANDLED, KeptRequests
from recommender_operator.context import Outcome
from recommender_operator.lifecycle import handled_requests
from recommender_operator.observed import Observed, VersionObject
from tests.unit.recommender_operator.request_results import results
from tests.unit.recommender_operator.resources import builder_inputs
from tests.unit.recommender_operator.simulation.cluster import START
from tests.unit.recommender_operator.started_worlds import promoted_first
from tests.unit.recommender_operator.world import World

MINUTE = datetime.timedelta(minutes=1)


def retrained(*, mortal: bool = False) -> World:
    """A world whose champion comes from a retraining on request."""
    world = promoted_first()
    world.annotations["retrain"] = "1"
    world.mortal = mortal
    world.settle()
    world.mortal = False
    world.settle()
    return world


def restore(world: World) -> None:
    """The namespace is lost; versions come back as they were, and the model without its status."""
    world.status = RecommenderModelStatus()
    world.generation = 1
    for lost in (world.jobs, world.services, world.route, world.baselines):
        lost.clear()


def promotions(world: World) -> dict[str, int]:
    return {name: version.status.promotion for name, version in world.versions.items()}


@pytest.mark.parametrize("annotation", [{"retrain": "1"}, {}], ids=["old annotation", "none"])
@pytest.mark.parametrize("mortal", [False, True], ids=["no crash", "a crash after each write"])
def test_a_retrained_champion_serves_again_and_nothing_is_trained_or_rolled_out(
    mortal: bool, annotation: dict[str, str]
) -> None:
    world = retrained(mortal=mortal)
    champion, before = world.champion(), promotions(world)
    restore(world)
    world.annotations = dict(annotation)
    world.settle()
    assert world.champion() == champion
    assert promotions(world) == before
    assert list(world.route) == [champion]
    assert not world.jobs, "nothing is checked, trained or published again"
    assert world.condition("UpToDate") == ("True", "Settled")


def test_a_request_after_the_restore_is_carried_out() -> None:
    world = retrained()
    before = world.champion()
    restore(world)
    world.annotations["retrain"] = "2"
    world.settle()
    assert world.champion() != before
    assert set(results(world)) == {"retrain 1", "retrain 2"}


def test_a_request_that_was_refused_stays_refused() -> None:
    world = promoted_first()
    world.edit(paused=True)
    world.annotations["retrain"] = "1"
    world.settle()
    restore(world)
    world.edit(paused=False)
    world.settle()
    assert len(world.versions) == 1
    assert "Refused" in results(world)["retrain 1"]


def test_an_earlier_rollback_is_not_repeated() -> None:
    world = promoted_first()
    first = world.champion()
    world.seed(2)
    world.settle()
    world.annotations["rollback-to"] = f"{first}#1"
    world.settle()
    assert world.champion() == first
    del world.annotations["rollback-to"]
    world.annotations["retrain"] = "1"
    world.seed(3)
    world.settle()
    newest = world.champion()
    assert newest != first
    restore(world)
    world.annotations["rollback-to"] = f"{first}#1"
    world.settle()
    assert world.champion() == newest


def test_a_model_without_requests_leaves_no_trace_on_its_champion() -> None:
    world = promoted_first()
    assert world.versions[world.champion() or ""].status.requests is None


def action(number: int, kind: str = "abort") -> HandledAction:
    return HandledAction(action=kind, token=str(number), at=START + number * MINUTE, result="done")


def retraining(sequence: int) -> RetrainStatus:
    return RetrainStatus(
        token=f"request-{sequence}", reason="", requested_at=START, sequence=sequence
    )


def keeping(name: str, kept: KeptRequests | None) -> VersionObject:
    version = builder_inputs.version(name)
    status = version.status.model_copy(update={"requests": kept})
    return dataclasses.replace(version, status=status)


def restored(*kept: KeptRequests | None, **status: int) -> RecommenderModelStatus:
    model = dataclasses.replace(builder_inputs.model(), status=RecommenderModelStatus(**status))
    versions = tuple(keeping(f"movies-{n}", each) for n, each in enumerate(kept))
    return handled_requests.restored(Observed(model=model, versions=versions)).model.status


def test_of_several_champions_the_newest_retraining_and_every_request_count() -> None:
    old = KeptRequests(handled=(action(1), action(2)), retrain=retraining(9))
    new = KeptRequests(handled=(action(2), action(3)), retrain=retraining(12))
    for kept in ((old, new), (new, None, old)):
        found = restored(*kept)
        assert found.handled == (action(1), action(2), action(3))
        assert found.retrain == retraining(12)


def test_too_many_requests_keep_the_newest_of_each_kind() -> None:
    first = action(0, "retrain")
    kept = [
        KeptRequests(handled=(first, *map(action, range(start, start + MAX_HANDLED - 1))))
        for start in (1, MAX_HANDLED)
    ]
    found = restored(*kept).handled
    assert len(found) == MAX_HANDLED
    assert first in found
    assert found[-1] == action(2 * MAX_HANDLED - 2)


def test_a_model_with_a_status_does_not_read_copies() -> None:
    kept = KeptRequests(handled=(action(1),), retrain=retraining(9))
    assert restored(kept, observed_generation=1) == RecommenderModelStatus(observed_generation=1)


def test_a_model_without_versions_stays_as_it_is() -> None:
    assert restored() == restored(None) == RecommenderModelStatus()


def test_a_number_after_a_restore_is_higher_than_that_of_the_restored_retraining() -> None:
    kept = KeptRequests(retrain=retraining(50))
    observed = Observed(model=builder_inputs.model(), versions=(keeping("movies-1", kept),))
    restored_ = handled_requests.restored(
        dataclasses.replace(
            observed, model=dataclasses.replace(observed.model, status=RecommenderModelStatus())
        )
    )
    assert Outcome(restored_, START).next_number() == 51
