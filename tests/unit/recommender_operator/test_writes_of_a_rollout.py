"""What a first version costs the API server: a change that adds a write shows up here."""

from __future__ import annotations

import collections

from tests.unit.recommender_operator.stories import Story

#: Looks after which nothing of the rollout is left to write.
SETTLED = 5
#: What the scripted cluster writes: pods, their controllers, and the statuses of what the
#: operator makes.
CLUSTER = {
    *(f"create {kind}" for kind in ("pods", "deployments", "replicasets")),
    *(f"status {kind}" for kind in ("pods", "jobs", "inferenceservices", "httproutes")),
}


async def test_a_first_version_costs_no_more_writes_than_its_facts_need() -> None:
    story = Story("Gateway")
    await story.first()
    for _ in range(SETTLED):
        await story.look()
    writes = collections.Counter(f"{verb} {kind}" for verb, kind, _ in story.rig.kube.writes)
    assert writes.keys() > CLUSTER
    assert {write: count for write, count in writes.items() if write not in CLUSTER} == {
        "patch recommendermodels": 1,
        # One of them is the memory that the deployed version requests.
        "status recommendermodels": 4,
        "create modelversions": 1,
        "patch modelversions": 1,
        "status modelversions": 6,
        "create jobs": 3,
        "apply inferenceservices": 1,
        "apply poddisruptionbudgets": 2,
        "apply networkpolicies": 3,
        "apply httproutes": 1,
        "create events": 7,
    }
