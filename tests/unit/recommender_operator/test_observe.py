"""One look at the cluster sees what belongs to the model, and nothing else."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from recommender_operator.adapters.kube import (
    HTTP_ROUTES,
    JOBS,
    MODELS,
    PODS,
    TRAIN_JOBS,
    VERSIONS,
)
from recommender_operator.adapters.traffic import Subject
from recommender_operator.api.version import VersionStage
from recommender_operator.observe import ObservationError, Snapshot, version_object
from recommender_operator.observed import JobKind
from recommender_operator.resources import jobs, labels, model_version, train_jobs
from tests.fakes import NOW, add_model, model, pod
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
        builder_inputs.model(), None, JobKind.REMOVE, 0, {"paths": "x"}, builder_inputs.OPTIONS
    )
    rig.kube.put(JOBS, old)
    observed = (await look(rig)).observed
    assert (observed.versions, observed.jobs) == ((), ())


async def test_what_an_earlier_model_left_is_told_from_what_the_model_has() -> None:
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


async def test_a_version_without_an_owner_is_seen_and_to_be_adopted() -> None:
    rig = Rig()
    add_model(rig.kube)
    del add_version(rig)["metadata"]["ownerReferences"]
    snapshot = await look(rig)
    assert [v.name for v in snapshot.observed.versions] == [NAME]
    assert snapshot.orphans == (NAME,)


async def test_only_versions_that_serve_are_asked_for_counters() -> None:
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
    assert rig.samples.asked == ["movies-a"]
    assert observed.samples == {"movies-a": {"pod": {"s": 1.0}}}


async def test_a_version_that_gives_no_counters_says_why() -> None:
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
    assert rig.samples.asked == []


async def test_where_the_platform_lacks_a_kind_nothing_of_it_is_read() -> None:
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
        ("spec", {"data": {"source": {}}, "storage": {"claimName": "s"}}, "spec.data.source"),
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
