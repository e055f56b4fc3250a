"""How Argo CD and Flux read the statuses that `decide` writes in each stage of a lifecycle.

The Lua script runs in Lua, the expressions in a CEL interpreter, and kstatus is an oracle written
from its rules for custom resources (kubernetes-sigs/cli-utils, pkg/kstatus: README, generic.go).
"""

from __future__ import annotations

import functools
import json
import pathlib
from collections.abc import Callable
from typing import Any

import celpy
import celpy.adapter
import lupa.lua54  # type: ignore[import-untyped]
import pytest
import yaml

from recommender_operator.api.version import VersionStage
from tests.unit.recommender_operator.simulation.cluster import BAD, spec
from tests.unit.recommender_operator.world import World

INTEGRATIONS = pathlib.Path(__file__).parents[3] / "manifests/integrations"
SCRIPT = (INTEGRATIONS / "argocd/health.lua").read_text(encoding="utf-8")
FLUX = yaml.safe_load((INTEGRATIONS / "flux/health-checks.yaml").read_text(encoding="utf-8"))
EXPRESSIONS = FLUX["spec"]["healthCheckExprs"][0]
Manifest = dict[str, Any]


def manifest(world: World) -> Manifest:
    """Return the RecommenderModel as the API server has it."""
    metadata: Manifest = {"name": "movies", "generation": world.generation}
    if world.deleting:
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    status = world.status.dump()
    return {"metadata": metadata, "spec": world.spec.dump(), "status": status}


def argo(thing: Manifest) -> tuple[str, str]:
    """Return health and message as Argo CD would show them."""
    lua = lupa.lua54.LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = lua.table_from(thing, recursive=True)
    reported = lua.execute(SCRIPT)
    return str(reported["status"]), str(reported["message"])


@functools.cache
def program(source: str) -> Any:
    environment = celpy.Environment()
    return environment.program(environment.compile(source))


def flux(thing: Manifest) -> str:
    """Return the result of the expressions, in the order in which Flux evaluates them."""
    values = celpy.adapter.json_to_cel(json.loads(json.dumps(thing)))
    for name, word in (("inProgress", "InProgress"), ("failed", "Failed"), ("current", "Current")):
        if program(EXPRESSIONS[name]).evaluate(values):
            return word
    return "InProgress"


def kstatus(thing: Manifest) -> str:
    """Return the status by kstatus' rules for a kind that it does not know."""
    if thing["metadata"].get("deletionTimestamp"):
        return "Terminating"
    status = thing.get("status") or {}
    if status.get("observedGeneration", 0) != thing["metadata"]["generation"]:
        return "InProgress"
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    if conditions.get("Reconciling") == "True":
        return "InProgress"
    if conditions.get("Stalled") == "True":
        return "Failed"
    return "InProgress" if conditions.get("Ready", "True") != "True" else "Current"


def served() -> World:
    world = World()
    world.settle()
    return world


def starting() -> World:
    world = World()
    world.reconcile()
    return world


def first_failed() -> World:
    world = World(metrics={17: BAD})
    world.settle()
    return world


def rolls_out() -> World:
    world = served()
    world.seed(2)
    while not (name := world.status.candidate) or not world.route.get(name):
        world.reconcile()
        world.finish_jobs()
        world.tick()
    return world


def paused_in_canary() -> World:
    world = rolls_out()
    world.edit(paused=True)
    world.reconcile()
    return world


def rolled_back() -> World:
    world = served()
    world.error_share[2] = 0.9
    world.seed(2)
    world.settle()
    return world


def locked() -> World:
    world = World(spec=spec(retrain={"lockAfterRollbacks": 1}))
    world.settle()
    world.error_share[2] = 0.9
    world.seed(2)
    world.settle()
    assert world.status.locked
    return world


def champion_gone() -> World:
    world = served()
    for service in world.services.values():
        service.ready, service.pods = False, 0
    world.reconcile()
    return world


def not_observed() -> World:
    world = served()
    world.seed(2)
    return world


def deleting() -> World:
    world = served()
    world.deleting = True
    world.reconcile()
    return world


STAGES: list[tuple[Callable[[], World], str, str]] = [
    (starting, "Progressing", "InProgress"),
    (first_failed, "Degraded", "Failed"),
    (served, "Healthy", "Current"),
    (rolls_out, "Progressing", "InProgress"),
    (paused_in_canary, "Suspended", "Current"),
    (rolled_back, "Healthy", "Current"),
    (locked, "Healthy", "Current"),
    (champion_gone, "Degraded", "InProgress"),
    (not_observed, "Progressing", "InProgress"),
    (deleting, "Progressing", "Terminating"),
]


@pytest.mark.parametrize(
    ("life", "health", "status"), STAGES, ids=lambda v: getattr(v, "__name__", v)
)
def test_argo_cd_flux_and_kstatus_read_each_stage_properly(
    life: Callable[[], World], health: str, status: str
) -> None:
    thing = manifest(life())
    assert argo(thing)[0] == health
    assert kstatus(thing) == status
    if status != "Terminating":
        assert flux(thing) == status


def test_a_rollback_leaves_the_model_healthy_and_reports_the_candidates_outcome() -> None:
    health, message = argo(manifest(rolled_back()))
    assert health == "Healthy"
    assert "RolledBack" in message
    assert "recommender.dev/retry" in message


def test_a_model_that_the_operator_has_not_seen_is_progressing() -> None:
    thing: Manifest = {"metadata": {"name": "movies", "generation": 1}, "spec": {}}
    assert argo(thing) == ("Progressing", "waiting for the operator")


def test_the_table_shows_versions_weights_and_the_last_outcome() -> None:
    status = rolled_back().status
    assert (status.champion_weight, status.candidate, status.candidate_weight) == (100, None, None)
    assert status.last_outcome is not None
    assert status.last_outcome.summary == "RolledBack: AnalysisFailed"
    rolling = rolls_out().status
    assert (rolling.champion_weight, rolling.candidate_weight) == (90, 10)
    assert rolling.last_outcome is not None
    assert rolling.last_outcome.summary == "Promoted: InitialRollout"


def test_the_return_of_a_former_champion_is_not_an_outcome() -> None:
    world = served()
    first = world.stable()
    world.seed(2)
    world.settle()
    second = world.stable()
    world.annotations["rollback-to"] = first
    world.settle()
    assert world.status.last_outcome is not None
    assert world.status.last_outcome.version == second
    assert world.versions[second].status.stage is VersionStage.ROLLED_BACK
