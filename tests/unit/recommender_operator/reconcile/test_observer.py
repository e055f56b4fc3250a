"""The observed state has the objects of the model, and no others."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from recommender_operator.adapters.kinds import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    TRAIN_JOBS,
    VERSIONS,
)
from recommender_operator.adapters.objects.parsed_objects import ObservationError, version_object
from recommender_operator.adapters.traffic.traffic_port import Subject
from recommender_operator.api.version import VersionStage
from recommender_operator.controller.kube import PODS
from recommender_operator.observed import JobKind
from recommender_operator.reconcile.observer import Snapshot
from recommender_operator.resources import jobs, labels, model_version, train_jobs
from tests.fakes.kube import NOW, FakeKube
from tests.fakes.objects import (
    KNATIVE_CHAIN,
    STANDARD_CHAIN,
    add_model,
    controller,
    model,
    pod,
    put_chain,
)
from tests.unit.recommender_operator.operator_rig import Rig
from tests.unit.recommender_operator.resources import builder_inputs

NAME = "movies-0123abcd"


def add_version(rig: Rig, name: str = NAME, *, owner: str = "uid-of-movies", **status: Any) -> Any:
    digest = name.removeprefix("movies-").ljust(64, "0")
    spec = builder_inputs.version().spec.model_copy(update={"spec_hash": digest})
    thing = model_version.model_version(builder_inputs.model(), name, spec)
    thing["metadata"]["ownerReferences"][0]["uid"] = owner
    thing["status"] = status
    return rig.kube.put(VERSIONS, thing)


def _subject(rig: Rig, name: str) -> Subject:
    version = version_object(rig.kube.find(VERSIONS, name))
    published = dataclasses.replace(builder_inputs.version(name), uid=version.uid)
    return Subject(model=builder_inputs.model(), versions={name: published})


async def look(rig: Rig) -> Snapshot:
    return await rig.observer.observe(rig.kube.find(MODELS, "movies"))


async def test_a_new_model_is_seen_with_its_defaults_and_requests() -> None:
    rig = Rig()
    annotations = {"recommender.dev/promote": "t1", "kopf.recommender.dev/x": "y", "other": "z"}
    add_model(rig.kube, annotations=annotations)
    observed = (await look(rig)).observed
    assert observed.model.annotations == {"promote": "t1"}
    assert observed.model.spec.training.seed == 17
    assert (observed.versions, observed.jobs, dict(observed.services)) == ((), (), {})
    assert observed.platform.domain == "models.example"


async def test_the_number_of_requests_does_not_grow_with_the_versions() -> None:
    counts = []
    for size in (1, 20):
        rig = Rig()
        add_model(rig.kube)
        for i in range(size):
            add_version(rig, f"movies-{i:08}", stage="Failed")
        await look(rig)
        counts.append(len(rig.kube.reads))
    assert counts[0] == counts[1]


async def test_remains_of_an_earlier_model_of_the_same_name_are_not_seen() -> None:
    rig = Rig()
    add_model(rig.kube)
    add_version(rig, owner="uid-of-an-earlier-one")
    old = jobs.job(
        builder_inputs.model(),
        None,
        JobKind.REMOVE,
        0,
        {"paths": "lake/movies"},
        builder_inputs.OPTIONS,
    )
    rig.kube.put(JOBS, old)
    observed = (await look(rig)).observed
    assert (observed.versions, observed.jobs) == ((), ())


async def test_objects_of_an_earlier_model_are_distinguished_from_those_of_the_model() -> None:
    rig = Rig()
    add_model(rig.kube)
    for name, owner in (("movies-new", "uid-of-movies"), ("movies-old", "uid-of-an-earlier-one")):
        version = add_version(rig, name, owner=owner, stage="CheckingData")
        job = jobs.job(
            builder_inputs.model(), builder_inputs.version(name), JobKind.CHECK, 0, {},
            builder_inputs.OPTIONS,
        )  # fmt: skip
        job["metadata"]["ownerReferences"][0]["uid"] = version["metadata"]["uid"]
        rig.kube.put(JOBS, job)
    snapshot = await look(rig)
    assert [v.name for v in snapshot.observed.versions] == ["movies-new"]
    assert [job.version for job in snapshot.observed.jobs] == ["movies-new"]
    assert snapshot.orphans == ()


async def test_a_version_that_the_model_owns_beside_an_earlier_one_is_its_own() -> None:
    rig = Rig()
    add_model(rig.kube)
    owners = add_version(rig)["metadata"]["ownerReferences"]
    owners.append(owners[0] | {"uid": "uid-of-an-earlier-one", "controller": False})
    snapshot = await look(rig)
    assert [v.name for v in snapshot.observed.versions] == [NAME]
    assert snapshot.orphans == ()


def add_check(rig: Rig, owners: list[Any]) -> Any:
    job = jobs.job(
        builder_inputs.model(), builder_inputs.version(NAME), JobKind.CHECK, 0, {},
        builder_inputs.OPTIONS,
    )  # fmt: skip
    job["metadata"]["ownerReferences"] = owners
    job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    return rig.kube.put(JOBS, job)


def reporting(name: str, job: Any, owners: list[Any]) -> Any:
    """Return a pod with the labels of a Job's pods that left a report."""
    report = {"terminated": {"exitCode": 0, "message": json.dumps({"by": name})}}
    thing = pod(name, NAME, owners=owners, phase="Succeeded")
    thing["status"]["containerStatuses"] = [{"name": "main", "state": report}]
    own = {**job["metadata"]["labels"], "batch.kubernetes.io/job-name": job["metadata"]["name"]}
    thing["metadata"]["labels"] = own
    return thing


async def test_a_job_without_an_owner_does_not_count() -> None:
    rig = Rig()
    add_model(rig.kube)
    add_version(rig, stage="CheckingData")
    add_check(rig, [])
    assert (await look(rig)).observed.jobs == ()


async def test_only_the_pods_that_a_job_made_report_for_it() -> None:
    rig = Rig()
    add_model(rig.kube)
    version = add_version(rig, stage="CheckingData")
    job = add_check(rig, controller("ModelVersion", NAME, version["metadata"]["uid"]))
    made = controller("Job", job["metadata"]["name"], job["metadata"]["uid"])
    of_before = controller("Job", job["metadata"]["name"], "uid-of-an-earlier-job")
    rig.kube.put(PODS, reporting("a-made", job, made))
    for name, owners in (("x-made-up", []), ("y-of-before", of_before)):
        thing = reporting(name, job, owners)
        thing["metadata"]["creationTimestamp"] = "2027-01-01T00:00:00Z"
        rig.kube.put(PODS, thing)
    (state,) = (await look(rig)).observed.jobs
    assert state.report == {"by": "a-made"}


async def test_a_job_that_ends_before_the_watch_shows_its_pods_still_has_a_report() -> None:
    rig = Rig()
    add_model(rig.kube)
    version = add_version(rig, stage="CheckingData")
    job = add_check(rig, controller("ModelVersion", NAME, version["metadata"]["uid"]))
    now = FakeKube()
    made = controller("Job", job["metadata"]["name"], job["metadata"]["uid"])
    now.put(PODS, reporting("a-made", job, made))
    rig.observer._direct = now
    (state,) = (await look(rig)).observed.jobs
    assert state.report == {"by": "a-made"}
    # A deleted pod is looked up only once.
    (state,) = (await look(rig)).observed.jobs
    assert now.reads == [("list", "pods")]


@pytest.mark.parametrize("knative", [False, True])
async def test_only_pods_that_lead_to_the_model_serve(knative: bool) -> None:
    rig = Rig(knative=knative)
    mode = {"traffic": "Knative" if knative else "Gateway"}
    add_model(rig.kube, spec={"rollout": mode})
    artifact = {"path": "p", "digest": builder_inputs.DIGEST}
    version = add_version(rig, stage="Canary", artifact=artifact)
    await rig.traffic.ensure(_subject(rig, NAME), NAME)
    service, chain = ("movies", KNATIVE_CHAIN) if knative else (NAME, STANDARD_CHAIN)
    last = rig.kube.find(INFERENCE_SERVICES, service)["metadata"]
    last["ownerReferences"][0]["uid"] = "uid-of-movies" if knative else version["metadata"]["uid"]
    name = f"{service}-predictor"
    made = put_chain(rig.kube, chain, name, controller("InferenceService", service, last["uid"]))
    for pod_name, owners in (
        ("made", made),
        ("made-up", []),
        ("by-name", controller("ReplicaSet", name, "uid-of-another")),
        ("of-the-version", controller("ModelVersion", NAME, version["metadata"]["uid"])),
        ("of-the-model", controller("RecommenderModel", "movies", "uid-of-movies")),
        ("of-before", controller("ModelVersion", NAME, "uid-of-an-earlier-one")),
    ):
        rig.kube.put(PODS, pod(pod_name, NAME, owners=owners))
    snapshot = await look(rig)
    assert [p["metadata"]["name"] for p in snapshot.pods[NAME]] == ["made"]


async def test_a_version_without_an_owner_is_observed_and_adopted() -> None:
    rig = Rig()
    add_model(rig.kube)
    del add_version(rig)["metadata"]["ownerReferences"]
    snapshot = await look(rig)
    assert [v.name for v in snapshot.observed.versions] == [NAME]
    assert snapshot.orphans == (NAME,)


async def test_only_the_counters_of_serving_versions_are_read() -> None:
    rig = Rig()
    add_model(rig.kube)
    for name, stage in (("movies-a", "Canary"), ("movies-b", "Training"), ("movies-c", "Failed")):
        add_version(
            rig, name, stage=stage, artifact={"path": "p", "digest": builder_inputs.DIGEST}
        )
        manifest = rig.executor._traffic_of(builder_inputs.model())
        await manifest.ensure(_subject(rig, name), name)
        rig.kube.put(PODS, pod(f"{name}-pod", name))
    rig.samples.counters["movies-a"] = {"pod": {"s": 1.0}}
    observed = (await look(rig)).observed
    assert rig.samples.requested == ["movies-a"]
    assert observed.samples == {"movies-a": {"pod": {"s": 1.0}}}


async def test_a_version_without_counters_has_the_reason() -> None:
    rig = Rig()
    add_model(rig.kube)
    add_version(rig, stage="Canary")
    await rig.executor._traffic_of(builder_inputs.model()).ensure(_subject(rig, NAME), NAME)
    observed = (await look(rig)).observed
    assert dict(observed.samples) == {}
    assert observed.sample_errors == {NAME: f"no pod of {NAME} answered"}


async def test_a_model_being_deleted_asks_no_pod() -> None:
    rig = Rig()
    add_model(rig.kube, deletionTimestamp=NOW.isoformat())
    add_version(rig, stage="Canary")
    await rig.executor._traffic_of(builder_inputs.model()).ensure(_subject(rig, NAME), NAME)
    observed = (await look(rig)).observed
    assert observed.model.deleting
    assert rig.samples.requested == []


async def test_pods_of_a_model_being_deleted_are_those_that_may_still_use_its_files() -> None:
    rig = Rig()
    add_model(rig.kube, deletionTimestamp=NOW.isoformat())
    names = {"runs": "Running", "waits": "Pending", "done": "Succeeded", "broke": "Failed"}
    for name, phase in names.items():
        # The owner is gone already.
        rig.kube.put(PODS, pod(name, NAME, owners=[], phase=phase))
    removes = pod("removes", NAME, owners=[])
    removes["metadata"]["labels"][labels.JOB_KIND] = JobKind.REMOVE.value
    rig.kube.put(PODS, removes)
    observed = (await look(rig)).observed
    assert observed.running_pods == ("runs", "waits")
    assert observed.model.deleting_since == NOW


async def test_a_model_that_stays_lists_no_pods_of_its_files() -> None:
    rig = Rig()
    add_model(rig.kube)
    rig.kube.put(PODS, pod("runs", NAME, owners=[]))
    assert (await look(rig)).observed.running_pods == ()


async def test_a_kind_that_the_platform_lacks_is_not_read() -> None:
    rig = Rig()
    rig.kube.kinds.discard(HTTP_ROUTES)
    add_model(rig.kube)
    observed = (await look(rig)).observed
    assert observed.platform.missing == ("httproutes.gateway.networking.k8s.io",)
    assert ("get", "httproutes") not in rig.kube.reads


async def test_a_status_is_read_back_as_it_was_written() -> None:
    rig = Rig()
    add_model(rig.kube)
    add_version(rig, stage="Canary", weight=10, stageSince="2026-01-01T12:00:00Z")
    (version,) = (await look(rig)).observed.versions
    assert (version.status.stage, version.status.weight) == (VersionStage.CANARY, 10)
    assert version.status.stage_since == NOW


@pytest.mark.parametrize(
    ("part", "content", "field"),
    [
        (
            "spec",
            {"data": {"source": {}}, "storage": {"persistentVolumeClaim": {"claimName": "s"}}},
            "spec.data.source",
        ),
        ("status", {"stage": "Dancing"}, "status.stage"),
    ],
)
async def test_an_object_of_another_release_is_refused_by_its_field(
    part: str, content: Any, field: str
) -> None:
    rig = Rig()
    raw = model()
    raw[part] = content
    with pytest.raises(ObservationError, match=field):
        await rig.observer.observe(raw)


def test_every_child_carries_the_labels_that_it_is_found_by() -> None:
    job = jobs.job(
        builder_inputs.model(), builder_inputs.version(), JobKind.CHECK, 0, {},
        builder_inputs.OPTIONS,
    )  # fmt: skip
    assert labels.of_model("movies").items() <= job["metadata"]["labels"].items()


async def test_train_jobs_are_read_where_there_are_workers_and_cost_nothing_elsewhere() -> None:
    rig = Rig()
    add_model(rig.kube)
    add_version(rig, stage="Training")
    uid = rig.kube.find(VERSIONS, NAME)["metadata"]["uid"]
    thing = train_jobs.train_job(builder_inputs.model(), builder_inputs.version(), 0)
    thing["metadata"]["ownerReferences"][0]["uid"] = uid
    rig.kube.put(TRAIN_JOBS, thing)
    assert (await look(rig)).observed.jobs == ()
    assert ("list", "trainjobs") not in rig.kube.reads
    rig.kube.find(VERSIONS, NAME)["spec"]["training"]["workers"] = 2
    (job,) = (await look(rig)).observed.jobs
    assert (job.kind, job.version, job.group) == (JobKind.TRAIN, NAME, True)
    thing["metadata"]["ownerReferences"][0]["uid"] = "of-an-earlier-model"
    rig.kube.put(TRAIN_JOBS, thing)
    assert (await look(rig)).observed.jobs == ()
