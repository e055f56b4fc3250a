"""The lifecycle from end to end in a simulated cluster, with the real analysis."""

from __future__ import annotations

import dataclasses
import datetime
import itertools

import pytest

from recommender_operator import actions as a
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.api.version import SearchResult, VersionStage
from recommender_operator.observed import JobKind, JobState, Platform
from tests.unit.recommender_operator.world import BAD, GOOD, World, spec


def promoted_first() -> World:
    world = World()
    world.settle()
    return world


def rolled_out_second() -> World:
    world = promoted_first()
    world.seed(2)
    world.settle()
    return world


def in_canary(**sections: object) -> World:
    """A world whose second version has its first share of the requests."""
    world = World(spec=spec(**sections))
    world.settle()
    world.seed(2)
    for _ in range(50):
        world.reconcile()
        world.finish_jobs()
        world.tick()
        candidate = world.status.candidate
        if candidate and world.versions[candidate].status.steps:
            return world
    raise AssertionError(world.summary())


def test_the_first_version_receives_all_requests_and_is_ready() -> None:
    world = promoted_first()
    assert world.stages() == {17: "Promoted"}
    assert list(world.route.values()) == [100]
    assert world.condition("Ready") == ("True", "Settled")
    assert world.condition("Available") == ("True", "Serving")
    decision = world.versions[world.stable()].status.decision
    assert decision is not None
    assert decision.reason == "InitialRollout"


def test_a_model_without_a_version_has_no_pending_split() -> None:
    world = World()
    world.accepted = False
    world.reconcile()
    assert world.status.champion is None
    assert world.status.route_pending_since is None


def test_a_good_version_passes_every_step_and_the_former_one_stays_warm() -> None:
    world = rolled_out_second()
    assert world.stages() == {17: "Promoted", 2: "Promoted"}
    assert world.status.champion == world.champion()
    assert set(world.services) == {world.status.champion, world.status.previous}
    candidate = world.stable()
    splits = [x.weights.get(candidate, 0) for x in world.log if isinstance(x, a.SetTraffic)]
    assert splits[-3:] == [10, 50, 100]
    record = world.versions[candidate or ""].status
    assert [(s.weight, s.verdict) for s in record.steps] == [
        (10, "Pass"),
        (50, "Pass"),
        (100, "Pass"),
    ]
    assert all(s.metrics for s in record.steps)
    assert world.condition("AnalysisPassed") == ("True", "StepsPassed")


def test_a_failing_version_loses_its_requests_before_anything_else_is_written() -> None:
    world = in_canary()
    world.error_share[2] = 0.5
    for _ in range(20):
        decision = world.reconcile()
        if any(isinstance(x, a.SetTraffic) for x in decision.actions):
            break
        world.tick()
    stable = world.stable()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    world.settle()
    assert world.stages()[2] == "RolledBack"
    assert world.condition("Ready") == ("True", "CandidateRolledBack")
    assert world.condition("UpToDate") == ("False", "AnalysisFailed")
    assert world.condition("Available") == ("True", "Serving")
    assert world.status.consecutive_rollbacks == 1
    assert "successRate" in world.message("Ready")
    assert "recommender.dev/retry" in world.message("Ready")


FOUND = {"sampler": "TPE", "trials": 20, "bestTrial": 4, "bestLogLoss": 0.5}


def test_the_result_of_a_search_is_in_the_version_until_it_is_trained_again() -> None:
    world = World(odd_reports={JobKind.TRAIN: {"search": FOUND}})
    world.metrics[17] = BAD
    world.settle()
    (version,) = world.versions.values()
    assert version.status.search == SearchResult.model_validate(FOUND)
    world.odd_reports.clear()
    world.metrics[17] = GOOD
    world.annotations["retry"] = "1"
    world.settle()
    assert world.stages() == {17: "Promoted"}
    assert world.versions[world.stable()].status.search is None


def test_a_version_that_fails_a_gate_is_never_served() -> None:
    world = promoted_first()
    world.metrics[2] = BAD
    world.seed(2)
    world.settle()
    assert world.stages()[2] == "Rejected"
    assert world.condition("GatesPassed") == ("False", "GateFailed")
    assert "auc 0.5, required: at least 0.6" in world.message("GatesPassed")
    assert len(world.services) == 1


def test_a_metric_that_is_not_a_number_fails_its_gate_and_is_reported() -> None:
    world = World()
    world.metrics[17] = {"auc": float("nan"), "logLoss": None}
    world.settle()
    assert world.stages() == {17: "Rejected"}
    assert "auc was not measured" in world.message("GatesPassed")


def test_a_version_that_answers_badly_is_stopped_before_it_gets_requests() -> None:
    world = promoted_first()
    world.smoke_fails.add(2)
    world.seed(2)
    world.settle()
    assert world.stages()[2] == "Rejected"
    assert world.condition("Progressing") == ("False", "SmokeFailed")
    assert len(world.services) == 1


def test_a_failed_training_names_reason_and_log_and_the_champion_keeps_serving() -> None:
    world = promoted_first()
    world.seed(2)
    for _ in range(3):
        world.reconcile()
        world.fail_job(JobKind.TRAIN, "OOMKilled", "Killed: needs 9 GiB")
        world.finish_jobs()
    world.settle()
    assert world.stages() == {17: "Promoted", 2: "Failed"}
    assert world.condition("Trained") == ("False", "OOMKilled")
    assert "Killed: needs 9 GiB" in world.message("Trained")
    assert world.condition("Available") == ("True", "Serving")
    world.annotations["retry"] = "1"
    world.settle()
    assert world.stages()[2] == "Promoted"
    assert world.versions[world.stable()].status.attempt == 1


@pytest.mark.parametrize(
    ("kind", "field", "value", "reason"),
    [
        (JobKind.CHECK, "dataVersion", "", "InvalidReport"),
        (JobKind.TRAIN, "dataVersion", "8-other", "DataVersionMismatch"),
        (JobKind.TRAIN, "digest", "none", "InvalidReport"),
        (JobKind.PUBLISH, "digest", "sha256:" + "f" * 64, "DigestMismatch"),
    ],
)
def test_a_report_with_other_data_than_checked_fails_the_version(
    kind: JobKind, field: str, value: str, reason: str
) -> None:
    world = World(odd_reports={kind: {field: value}})
    for _ in range(10):
        world.reconcile()
        world.finish_jobs()
    assert world.stages() == {17: "Failed"}
    assert world.condition("Progressing") == ("False", reason)
    assert world.services == {}


def test_nothing_is_published_while_a_folder_is_being_removed() -> None:
    world = promoted_first()
    removal = (JobKind.REMOVE, world.stable(), 0)
    world.jobs[removal] = JobState(
        kind=JobKind.REMOVE, version=world.stable(), attempt=0, phase="Running"
    )
    world.seed(2)
    for _ in range(10):
        world.reconcile()
        world.finish_jobs()
        world.jobs[removal] = dataclasses.replace(world.jobs[removal], phase="Running")
    assert world.stages()[2] == "Publishing"
    assert not any(
        x.kind is JobKind.PUBLISH and x.version != world.stable() for x in world.jobs.values()
    )
    world.settle()
    assert world.stages()[2] == "Promoted"


def test_a_failed_data_check_is_repeated_with_increasing_pauses() -> None:
    world = World()
    world.reconcile()
    world.reconcile()
    world.fail_job(JobKind.CHECK, "TooFewRows", "12 rows, 1000 asked")
    world.reconcile()
    assert world.condition("DataValid") == ("False", "TooFewRows")
    assert world.stages() == {17: "Failed"}
    world.watch(299)
    assert not world.reconcile().actions
    world.tick(1)
    world.reconcile()
    assert world.stages() == {17: "CheckingData"}
    assert world.condition("DataValid") == ("False", "TooFewRows"), "forgot before it was cured"
    world.fail_job(JobKind.CHECK, "TooFewRows", "12 rows, 1000 asked")
    world.reconcile()
    world.watch(599)
    assert not world.reconcile().actions
    world.tick(1)
    world.settle()
    assert world.stages() == {17: "Promoted"}


def test_a_new_spec_supersedes_the_version_on_its_way() -> None:
    world = in_canary()
    stable = world.stable()
    world.seed(3)
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    assert world.stages()[2] == "Superseded"
    world.settle()
    assert world.stages() == {17: "Promoted", 2: "Superseded", 3: "Promoted"}


def test_a_former_champion_that_the_spec_describes_again_is_not_trained_again() -> None:
    world = rolled_out_second()
    trainings = [x for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.TRAIN]
    world.seed(17)
    world.settle()
    again = [x for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.TRAIN]
    assert again == trainings
    champion = world.versions[world.stable()]
    assert champion.spec.training.seed == 17
    assert [s.weight for s in champion.status.steps] == [10, 50, 100]


def test_a_rolled_back_version_stays_rolled_back() -> None:
    world = in_canary()
    world.error_share[2] = 0.5
    world.settle()
    world.edit(history={"limit": 3})
    world.settle()
    assert world.stages()[2] == "RolledBack"


def test_two_rollbacks_in_a_row_lock_until_a_retry() -> None:
    world = in_canary()
    world.error_share.update({2: 0.5, 3: 0.5})
    world.settle()
    world.seed(3)
    world.settle()
    assert world.status.locked
    assert world.condition("Locked") == ("True", "Locked")
    world.seed(4)
    world.settle()
    assert 4 not in world.stages()
    assert world.condition("Progressing") == ("False", "Locked")
    assert [e.type for e in world.events if e.reason == "Locked"] == ["Warning"]
    world.annotations["retry"] = "go"
    world.settle()
    assert not world.status.locked
    assert world.stages()[4] == "Promoted"
    assert world.status.consecutive_rollbacks == 0


def test_a_step_whose_candidate_gets_too_few_requests_is_held_at_its_deadline() -> None:
    world = in_canary()
    world.requests_per_second = 0
    world.watch(400)
    world.reconcile()
    world.watch(400)
    world.reconcile()
    assert world.condition("AnalysisPassed") == ("Unknown", "HeldAtDeadline")
    assert world.stages()[2] == "Canary"
    for _ in range(3):
        world.tick()
        world.reconcile()
    held = [e for e in world.events if e.reason == "HeldAtDeadline"]
    assert len(held) == 1, "said the same at each look"


def test_a_step_without_a_verdict_is_rolled_back_where_the_policy_says_so() -> None:
    deadline = {"stepSeconds": 20, "intervalSeconds": 5, "deadlineSeconds": 300}
    world = in_canary(analysis=deadline | {"onDeadline": "RollBack"})
    world.requests_per_second = 0
    world.watch(301)
    world.reconcile()
    assert world.stages()[2] == "RolledBack"
    world.settle()
    assert world.condition("Ready") == ("True", "CandidateRolledBack")
    assert world.condition("UpToDate") == ("False", "InconclusiveAtDeadline")


def test_a_version_without_counters_is_an_error_that_promotes_nothing() -> None:
    world = in_canary()
    candidate = world.status.candidate or ""
    world.mute.add(candidate)
    for _ in range(20):
        world.tick()
        world.reconcile()
    assert world.condition("AnalysisPassed") == ("Unknown", "Error")
    assert "no counters" in world.message("AnalysisPassed")
    assert world.versions[candidate].status.weight == 10
    world.mute.clear()
    world.settle()
    assert world.stages()[2] == "Promoted"


def test_changing_numbers_are_written_once_per_interval_and_a_new_verdict_at_once() -> None:
    # Each write wakes the operator; a write at each look would never let it rest.
    world = in_canary(analysis={"intervalSeconds": 30, "stepSeconds": 600, "minRequests": 100000})
    candidate = world.status.candidate or ""
    writes: list[int] = []
    for second in range(61):
        before = world.versions[candidate].status
        world.reconcile()
        if world.versions[candidate].status != before:
            writes.append(second)
        world.tick(1)
    assert len(writes) == 3, writes
    assert [after - before for before, after in itertools.pairwise(writes)] == [30, 30]
    world.error_share[2] = 1.0
    world.tick(20)
    world.reconcile()
    assert world.versions[candidate].status.steps[-1].verdict == "Fail"


def test_the_step_clock_waits_for_the_data_plane() -> None:
    world = promoted_first()
    world.seed(2)
    world.accepted = False
    for _ in range(30):
        world.reconcile()
        world.finish_jobs()
        world.tick()
    candidate = world.versions[world.status.candidate or ""]
    assert candidate.status.stage is VersionStage.CANARY
    assert candidate.status.steps == ()
    assert "once the data plane reports it" in world.message("Progressing")


def test_a_route_that_somebody_edits_is_written_again() -> None:
    world = rolled_out_second()
    requested = dict(world.route)
    world.route = {world.status.previous or "": 50, world.status.champion or "": 50}
    world.settle()
    assert world.route == requested


def test_a_candidate_with_all_requests_counts_for_a_champion_without_pods() -> None:
    # So it is in Knative mode, whose last step makes the candidate the rolled-out revision.
    world = in_canary()
    candidate, champion = world.status.candidate or "", world.champion() or ""
    for _ in range(400):
        if world.route == {candidate: 100}:
            break
        world.reconcile()
        world.tick()
    assert world.route == {candidate: 100}
    assert world.champion() == champion
    del world.services[champion]
    world.reconcile()
    assert world.condition("Available") == ("True", "Serving")
    assert world.condition("Ready")[0] == "True"


def test_a_lost_service_of_the_champion_comes_back() -> None:
    world = rolled_out_second()
    del world.services[world.stable()]
    world.reconcile()
    assert world.condition("Available") == ("False", "ChampionUnavailable")
    world.settle()
    assert world.champion() in world.services
    assert world.condition("Ready")[0] == "True"


def test_a_pending_split_is_not_an_outage_unless_it_never_applies() -> None:
    world = promoted_first()
    world.settle()
    world.accepted = False
    decision = world.reconcile()
    assert world.condition("Available")[0] == "True"
    assert [event.type for event in decision.events] == []
    assert decision.requeue_after is not None
    assert decision.requeue_after <= datetime.timedelta(seconds=15)
    world.tick(15)
    decision = world.reconcile()
    assert world.condition("Available") == ("False", "RouteNotAccepted")
    assert [event.reason for event in decision.events] == ["RouteNotAccepted"]
    world.accepted = True
    world.reconcile()
    assert world.condition("Available")[0] == "True"


def test_an_evicted_candidate_gives_its_requests_back_at_once_until_it_is_ready() -> None:
    world = in_canary()
    candidate, stable = world.status.candidate or "", world.stable()
    world.services[candidate].ready = False
    world.services[candidate].pods = 0
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    assert world.condition("Available")[0] == "True"
    world.services[candidate].ready = True
    world.services[candidate].pods = 1
    world.settle()
    assert world.champion() == candidate
    assert [s.weight for s in world.versions[candidate].status.steps] == [10, 10, 50, 100]


def test_an_evicted_candidate_keeps_its_requests_if_no_other_version_could_answer() -> None:
    world = in_canary()
    candidate, stable = world.status.candidate or "", world.stable()
    for name in (candidate, stable):
        world.services[name].ready = False
        world.services[name].pods = 0
    world.reconcile()
    assert world.route[candidate] == 10


def test_a_service_that_is_called_unready_while_its_pods_answer_keeps_its_requests() -> None:
    world = in_canary()
    candidate, stable = world.status.candidate or "", world.stable()
    world.services[candidate].ready = False
    world.reconcile()
    assert world.route[candidate] == 10
    world.watch(30)
    decision = world.reconcile()
    assert decision.actions[0] == a.SetTraffic(weights={stable: 100})
    world.services[candidate].ready = True
    world.settle()
    assert world.champion() == candidate


def test_a_candidate_that_never_comes_back_is_rolled_back() -> None:
    world = in_canary()
    candidate = world.status.candidate or ""
    world.services[candidate].ready = False
    world.reconcile()
    world.watch(601)
    world.reconcile()
    assert world.versions[candidate].status.stage is VersionStage.ROLLED_BACK
    world.settle()
    assert world.condition("Progressing") == ("False", "CandidateUnavailable")


def test_a_version_that_is_not_ready_in_time_is_rolled_back() -> None:
    world = promoted_first()
    world.seed(2)
    for _ in range(20):
        world.reconcile()
        world.finish_jobs()
        for name, service in world.services.items():
            service.ready = name == world.champion()
    world.watch(601)
    world.reconcile()
    assert world.stages()[2] == "RolledBack"
    world.settle()
    assert len(world.services) == 1
    assert world.condition("Progressing") == ("False", "NotReadyInTime")


def test_manual_promotion_waits_for_the_annotation() -> None:
    world = in_canary(rollout={"promotion": "Manual"})
    for _ in range(60):
        world.tick()
        world.reconcile()
    candidate = world.status.candidate or ""
    assert world.route == {candidate: 100}
    assert world.condition("AnalysisPassed") == ("True", "AwaitingPromotion")
    assert len([e for e in world.events if e.reason == "AwaitingPromotion"]) == 1
    world.annotations["promote"] = "ok"
    world.settle()
    assert world.champion() == candidate
    decision = world.versions[candidate].status.decision
    assert decision is not None
    assert not decision.automatic


def test_a_version_that_waits_for_promotion_is_still_watched() -> None:
    world = in_canary(rollout={"promotion": "Manual"})
    for _ in range(60):
        world.tick()
        world.reconcile()
    world.error_share[2] = 0.9
    world.settle()
    assert world.stages()[2] == "RolledBack"


def test_history_beyond_the_limit_is_deleted_with_its_artifacts() -> None:
    world = World(spec=spec(history={"limit": 1}))
    world.settle()
    for seed in (2, 3, 4, 5):
        world.seed(seed)
        world.settle()
    assert set(world.stages()) == {3, 4, 5}
    removed = [x for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.REMOVE]
    assert len(removed) == 2
    assert all(x.inputs["paths"].startswith("artifacts/movies/") for x in removed)


def test_an_artifact_that_another_version_shares_stays() -> None:
    world = World(spec=spec(history={"limit": 1}), twins={17, 4})
    world.settle()
    for seed in (2, 3, 4):
        world.seed(seed)
        world.settle()
    assert 17 not in world.stages()
    artifact = world.versions[world.stable()].status.artifact
    assert artifact is not None
    removed = [x.inputs.get("paths", "") for x in world.log if isinstance(x, a.StartJob)]
    assert not [paths for paths in removed if artifact.path in paths.split(",")]


def test_a_missing_platform_is_reported_and_nothing_starts() -> None:
    world = World(platform=Platform(missing=("KServe is not installed: install it",)))
    decision = world.reconcile()
    assert decision.actions == ()
    assert world.condition("Progressing") == ("False", "PlatformMissing")
    assert "KServe is not installed" in world.message("Ready")
    world.platform = Platform()
    world.settle()
    assert world.condition("Ready")[0] == "True"


def test_deleting_with_retain_ends_at_once() -> None:
    world = rolled_out_second()
    world.deleting = True
    decision = world.reconcile()
    assert decision.finished
    assert decision.actions == ()


def test_deleting_with_delete_removes_artifacts_last() -> None:
    world = World(spec=spec(deletionPolicy="Delete"))
    world.settle()
    world.deleting = True
    world.reconcile()
    assert not world.finished
    assert not world.versions
    assert not world.services
    world.reconcile()
    job = next(x for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.REMOVE)
    assert (job.version, job.inputs["paths"]) == (
        "movies",
        "artifacts/movies,staging/movies,lake/movies",
    )
    assert not world.reconcile().finished
    world.finish_jobs()
    assert world.reconcile().finished


def test_deleting_ends_even_if_the_removal_keeps_failing() -> None:
    world = World(spec=spec(deletionPolicy="Delete"), deleting=True)
    for _ in range(10):
        if world.reconcile().finished:
            break
        world.fail_job(JobKind.REMOVE)
    assert world.finished
    assert [e.reason for e in world.events if e.type == "Warning"] == ["ArtifactsLeftBehind"]


def test_every_condition_exists_from_the_first_look() -> None:
    world = World()
    world.reconcile()
    types = [c.type for c in world.status.conditions]
    assert types == [
        "Ready",
        "UpToDate",
        "Available",
        "Progressing",
        "DataValid",
        "Trained",
        "GatesPassed",
        "AnalysisPassed",
        "Drifted",
        "SnapshotTaken",
        "ObjectsOwned",
        "Locked",
        "StorageReady",
        "Accepted",
        "RequestsHonored",
        "Reconciling",
        "Stalled",
    ]
    assert {c.observed_generation for c in world.status.conditions} == {1}


def test_a_condition_keeps_its_transition_time_until_its_status_changes() -> None:
    world = promoted_first()
    before = {c.type: c.last_transition_time for c in world.status.conditions}
    world.tick(1000)
    world.edit(history={"limit": 2})
    world.settle()
    after = {c.type: c.last_transition_time for c in world.status.conditions}
    assert after == before
    assert {c.observed_generation for c in world.status.conditions} == {2}


@pytest.mark.parametrize("mode", ["Auto", "Manual"])
def test_a_first_version_needs_no_approval(mode: str) -> None:
    world = World(spec=spec(rollout={"promotion": mode}))
    world.settle()
    assert world.stages() == {17: "Promoted"}


def test_a_spec_survives_serialization() -> None:
    requested = spec()
    assert RecommenderModelSpec.model_validate(requested.dump()) == requested


def test_the_condition_trained_shows_the_main_metrics() -> None:
    world = World()
    world.metrics = {17: GOOD | {"coverageAt10": 0.1, "logLoss": 0.5, "ndcgAt10": 0.2}}
    world.settle()
    assert world.message("Trained").endswith(": auc 0.8, logLoss 0.5, ndcgAt10 0.2")


@pytest.mark.parametrize(
    "path",
    [
        "artifacts/movies/0000000000000000",
        "artifacts/films/{digest}",
        "artifacts/movies/{digest}/x",
        "artifacts/movies/./{digest}",
        "artifacts/movies",
        "lake/movies",
    ],
)
def test_an_artifact_published_to_any_other_folder_than_its_own_fails(path: str) -> None:
    world = World()
    world.reconcile()
    (name,) = world.versions
    reported = path.format(digest=(name[-8:] * 8)[:16])
    world.odd_reports[JobKind.PUBLISH] = {"path": reported}
    world.settle()
    status = world.versions[name].status
    assert (status.stage, status.artifact) == (VersionStage.FAILED, None)
    assert status.decision is not None
    assert status.decision.reason == "InvalidReport"
    assert f"'{reported}'" in status.decision.message
    assert "artifacts/movies/" in status.decision.message


@pytest.mark.parametrize(
    "path",
    ["staging/films/{version}-0", "staging/movies/{version}-1", "staging/movies", "lake/movies"],
)
def test_an_artifact_staged_in_any_other_folder_than_its_own_fails(path: str) -> None:
    world = World()
    world.reconcile()
    (name,) = world.versions
    named = path.format(version=name)
    world.odd_reports[JobKind.TRAIN] = {"stagedPath": named}
    world.settle()
    status = world.versions[name].status
    assert (status.stage, status.staged) == (VersionStage.FAILED, None)
    assert status.decision is not None
    assert status.decision.reason == "InvalidReport"
    assert f"'{named}'" in status.decision.message
    assert f"'staging/movies/{name}-0'" in status.decision.message


def test_a_version_created_again_needs_its_own_removal() -> None:
    world = World(spec=spec(history={"limit": 1}))
    world.settle()
    for seed in (2, 3, 4, 17, 2, 3, 4):
        world.seed(seed)
        world.settle()
    removed = [
        x.version for x in world.log if isinstance(x, a.StartJob) and x.kind is JobKind.REMOVE
    ]
    deleted = [x.name for x in world.log if isinstance(x, a.DeleteVersion)]
    assert len(deleted) > len(set(deleted)), "no version was made again and removed again"
    assert sorted(removed) == sorted(deleted), "a version went and its files stayed"
