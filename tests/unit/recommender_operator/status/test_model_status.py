"""The fields of the status that people read with `kubectl get`."""

from __future__ import annotations

import dataclasses

from recommender_operator.api.quantities import MEBIBYTE
from recommender_operator.decide import decide
from tests.unit.recommender_operator.started_worlds import in_canary
from tests.unit.recommender_operator.world import World


def requested(world: World, mebibytes: int) -> str | None:
    """Return the memory in the status of a world in which each version requests so much."""
    observed = world.observe()
    services = {
        name: dataclasses.replace(service, requested_memory=mebibytes * MEBIBYTE)
        for name, service in observed.services.items()
    }
    decision = decide(dataclasses.replace(observed, services=services), world.now)
    return decision.status.requested_memory


def test_the_status_has_the_memory_that_all_deployed_versions_request_together() -> None:
    world = in_canary()
    assert len(world.observe().services) == 2
    assert requested(world, 1500) == "3000Mi"
    assert requested(world, 1536) == "3Gi"


def test_without_a_deployed_version_no_memory_is_named() -> None:
    assert requested(World(), 1536) is None
