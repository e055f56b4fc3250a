"""An old and a new operator that act at the same moment in the middle of a canary.

That is worse than any upgrade: the Lease lets one of them write at a time. What is left to hold is
that each write is conditional on what it was decided on.
"""

from __future__ import annotations

import asyncio
import datetime
import pathlib

import pytest

from recommender_operator.adapters.kinds import HTTP_ROUTES, MODELS, VERSIONS
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import Object
from recommender_operator.resources import http_route
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.integration.test_operator_lifecycle import SPEC, Life
from tests.unit.recommender_operator.operator_rig import Rig

pytestmark = pytest.mark.integration
LOOKS = 60


def verdicts(operator: Rig) -> float:
    return sum(
        sample.value
        for family in operator.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "recommender_operator_verdicts_total"
    )


async def in_canary(life: Life, *, bad: bool) -> str:
    """Live until a second version has requests; return its name."""
    await life.admin.create(MODELS, rig.manifest(life.namespace, **SPEC))
    await life.until(lambda status, _: status.get("stage") == "Serving")
    first = set(await life.versions())
    seed = {"spec": {"training": {"seed": 18}}}
    await life.admin.patch(MODELS, life.namespace, "movies", seed)
    await life.until(lambda _, versions: set(versions) != first)
    (second,) = set(await life.versions()) - first
    if bad:
        life.samples.bad.add(second)
    await life.until(lambda _, versions: versions[second] == "Canary")
    return second


@pytest.mark.parametrize("bad", [False, True], ids=["good", "bad"])
async def test_two_concurrent_operators_reach_one_verdict_and_route_every_request(
    bad: bool, kube: OfficialKube, namespace: str, tmp_path: pathlib.Path
) -> None:
    operator = rig.open_kube(account.clusterwide_config(tmp_path))
    life = Life(operator, kube, namespace, None)
    second = await in_canary(life, bad=bad)
    old, new = life.operator, Rig(kube=life.kube, samples=life.samples, key=life.key)
    before = verdicts(old)

    async def stored() -> Object:
        found = await kube.get(VERSIONS, namespace, second)
        assert found is not None
        return found

    for _ in range(LOOKS):
        old.time = new.time = life.time
        looks = (each.reconciler.reconcile(life.key) for each in (old, new))
        await asyncio.gather(*looks)
        for route in await kube.list(HTTP_ROUTES, namespace, {}):
            weights = http_route.weights_of(route)
            assert sum(weights.values()) == 100, weights
        await life.script.step()
        life.time += datetime.timedelta(seconds=10)
        if (await stored())["status"]["stage"] in ("Promoted", "RolledBack"):
            break
    decided = (await stored())["status"]
    assert decided["stage"] == ("RolledBack" if bad else "Promoted")
    assert verdicts(old) + verdicts(new) - before == 1
    for _ in range(3):
        old.time = new.time = life.time
        await asyncio.gather(*(each.reconciler.reconcile(life.key) for each in (old, new)))
    assert (await stored())["status"]["decision"] == decided["decision"]
    await operator.close()
