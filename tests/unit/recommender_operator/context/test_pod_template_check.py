"""A refused pod template or service account stops what would use it, and nothing else."""

from __future__ import annotations

import dataclasses

import pytest

from recommender_operator.actions import EnsureService, StartJob
from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.status import Condition
from recommender_operator.context import pod_template_check
from recommender_operator.observed import JobKind, Platform
from tests.unit.recommender_operator.simulation.cluster import Service, spec
from tests.unit.recommender_operator.started_worlds import in_canary, rolled_out_second
from tests.unit.recommender_operator.world import World

ALLOWED = Platform(service_accounts=(("team", ("trainer",)),))


def world(section: str, name: str = "trainer") -> World:
    return World(spec=spec(**{section: {"podTemplate": {"spec": {"serviceAccountName": name}}}}))


def accepted(of: World) -> Condition:
    found = find(of.status.conditions, ConditionType.ACCEPTED)
    assert found is not None
    return found


def test_without_permission_no_job_starts_and_the_condition_names_the_remedy() -> None:
    refused = world("training")
    for _ in range(3):
        refused.reconcile()
    assert not refused.jobs
    found = accepted(refused)
    assert (found.status, found.reason) == ("False", Reason.SERVICE_ACCOUNT_NOT_ALLOWED)
    assert "training.podTemplate.spec.serviceAccountName 'trainer'" in found.message
    assert "scheduling.serviceAccounts" in found.message
    assert "No Job starts until then" in found.message


def test_once_the_administrator_lists_it_the_jobs_start() -> None:
    refused = world("training")
    refused.reconcile()
    namespace = refused.observe().model.namespace
    refused.platform = Platform(service_accounts=((namespace, ("trainer",)),))
    for _ in range(3):
        refused.reconcile()
    assert refused.jobs
    assert accepted(refused).status == "True"


def test_a_refused_account_of_serving_stops_services_and_no_job() -> None:
    found = pod_template_check.check_pod_templates(world("serving").observe())
    assert found.serving
    assert not found.training
    assert found.stop(EnsureService(version="v"))
    assert not found.stop(StartJob(kind=JobKind.TRAIN, version="v", attempt=0, inputs={}))


@pytest.mark.parametrize("section", ["training", "serving"])
def test_a_template_that_no_pod_can_have_is_a_condition_and_waits_for_its_correction(
    section: str,
) -> None:
    wrong = {"podTemplate": {"spec": {"affinity": {"podAffinity": "web"}}}}
    refused = World(spec=spec(**{section: wrong}))
    look(refused, LONG)
    assert not (refused.jobs if section == "training" else refused.services)
    found = accepted(refused)
    assert (found.status, found.reason) == ("False", Reason.INVALID_POD_TEMPLATE)
    assert f"{section}.podTemplate.spec.affinity.podAffinity 'web': " in found.message
    refused.edit(**{section: {"podTemplate": {"spec": {"affinity": {}}}}})
    refused.settle()
    assert accepted(refused).status == "True"
    assert set(refused.stages().values()) == {"Promoted"}


def test_files_can_always_be_removed() -> None:
    found = pod_template_check.check_pod_templates(world("training").observe())
    assert found.stop(StartJob(kind=JobKind.TRAIN, version="v", attempt=0, inputs={}))
    assert not found.stop(StartJob(kind=JobKind.REMOVE, version="v", attempt=0, inputs={}))
    assert not found.stop(EnsureService(version="v"))


#: Longer than the default of serving.readyDeadlineSeconds.
LONG = 2000
REFUSED = {"podTemplate": {"spec": {"serviceAccountName": "server"}}}


def allow(refused: World) -> None:
    namespace = refused.observe().model.namespace
    refused.platform = Platform(service_accounts=((namespace, ("server",)),))


def look(of: World, seconds: float) -> None:
    """Let this time pass, with looks and the ends of Jobs."""
    for _ in range(int(seconds / 10)):
        of.reconcile()
        of.finish_jobs()
        of.tick(10)


def waiting() -> World:
    refused = World(spec=spec(serving=REFUSED))
    look(refused, LONG)
    assert set(refused.stages().values()) == {"Deploying"}
    assert not refused.services
    return refused


def test_a_version_without_a_service_waits_for_the_permission_and_rolls_out_then() -> None:
    refused = waiting()
    assert "No version is deployed or changed until then" in accepted(refused).message
    allow(refused)
    refused.settle()
    assert set(refused.stages().values()) == {"Promoted"}


def test_the_deadline_of_a_version_begins_with_the_permission() -> None:
    refused = waiting()
    allow(refused)
    refused.reconcile()
    for service in refused.services.values():
        service.ctx(ready=False)
    limit = refused.spec.serving.ready_deadline_seconds
    look(refused, limit - 100)
    assert set(refused.stages().values()) == {"Deploying"}
    look(refused, 300)
    assert set(refused.stages().values()) == {"RolledBack"}


def test_a_version_that_runs_with_earlier_settings_goes_on() -> None:
    refused = waiting()
    (name,) = refused.versions
    refused.services[name] = Service(uid="before")
    look(refused, 200)
    assert set(refused.stages().values()) == {"Promoted"}


@pytest.mark.parametrize("stage", ["SmokeTesting", "Canary"])
def test_a_service_that_is_lost_while_its_account_is_refused_ends_no_rollout(stage: str) -> None:
    lost = in_canary()
    candidate = lost.status.candidate or ""
    if stage == "SmokeTesting":
        version = lost.versions[candidate]
        values = {"stage": stage, "smoke": None, "steps": (), "weight": 0}
        status = version.status.model_validate(version.status.dump() | values)
        lost.versions[candidate] = dataclasses.replace(version, status=status)
    lost.edit(serving=REFUSED)
    del lost.services[candidate]
    look(lost, LONG)
    assert lost.stages()[2] == stage
    assert lost.route == {lost.champion(): 100}
    allow(lost)
    lost.settle()
    assert lost.stages()[2] == "Promoted"


def test_a_rollback_to_a_version_without_a_service_is_given_up_with_the_remedy() -> None:
    refused = rolled_out_second()
    first = refused.status.previous or ""
    refused.seed(3)
    refused.settle()
    champion = refused.champion()
    refused.edit(serving=REFUSED)
    refused.annotations["rollback-to"] = first
    look(refused, 60)
    assert refused.condition("RequestsHonored") == ("False", "ServiceAccountNotAllowed")
    assert "scheduling.serviceAccounts" in refused.message("RequestsHonored")
    assert refused.champion() == champion
