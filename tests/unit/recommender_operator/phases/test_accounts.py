"""A refused service account stops what would use it, and nothing else."""

from __future__ import annotations

from recommender_operator.actions import EnsureService, StartJob
from recommender_operator.api.conditions import ConditionType, Reason, find
from recommender_operator.api.status import Condition
from recommender_operator.observed import JobKind, Platform
from recommender_operator.phases import accounts
from tests.unit.recommender_operator.simulation.cluster import spec
from tests.unit.recommender_operator.world import World

ALLOWED = Platform(service_accounts=(("team", ("trainer",)),))


def world(section: str, name: str = "trainer") -> World:
    return World(spec=spec(**{section: {"scheduling": {"serviceAccountName": name}}}))


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
    assert "training.scheduling.serviceAccountName 'trainer'" in found.message
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
    found = accounts.check(world("serving").observe())
    assert found.serving
    assert not found.training
    assert found.stop(EnsureService(version="v"))
    assert not found.stop(StartJob(kind=JobKind.TRAIN, version="v", attempt=0, inputs={}))


def test_files_can_always_be_removed() -> None:
    found = accounts.check(world("training").observe())
    assert found.stop(StartJob(kind=JobKind.TRAIN, version="v", attempt=0, inputs={}))
    assert not found.stop(StartJob(kind=JobKind.REMOVE, version="v", attempt=0, inputs={}))
    assert not found.stop(EnsureService(version="v"))
