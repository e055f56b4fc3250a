"""By the API server's audit log, the operator uses every right of the chart and needs no other.

It runs after the other tests of its room, whose operators use the same account.
"""

from __future__ import annotations

import datetime
import json
import pathlib
from typing import Any

import pytest

from recommender_operator.actions import Event
from recommender_operator.adapters import model_caches
from recommender_operator.adapters.kinds import (
    AUTOSCALERS,
    BASELINES,
    BUDGETS,
    DEPLOYMENTS,
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    NETWORK_POLICIES,
    VERSIONS,
)
from recommender_operator.adapters.objects.event_recorder import QUIET, EventRecorder
from recommender_operator.adapters.objects.parsed_objects import model_object
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import PODS, Object, Resource
from recommender_operator.observed import JobKind
from recommender_operator.resources import jobs, labels, model_version, names, network_policies
from tests.cluster import settings
from tests.fakes.objects import STANDARD_CHAIN, controller, link, pod
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.integration.test_operator_caches import caching, until
from tests.integration.test_operator_lifecycle import SPEC, Life
from tests.integration.test_train_jobs import install_trainer
from tests.scenario import audit
from tests.scenario.audit import Right
from tests.sources import SOURCE
from tests.unit.recommender_operator.operator_rig import Rig
from tests.unit.recommender_operator.resources import builder_inputs

pytestmark = pytest.mark.integration

#: Their operators use the account; without them the log is incomplete.
NEEDED = {"test_operator_process", "test_operator_lifecycle", "test_train_jobs"}
CONTAINER = {"containers": [{"name": "main", "image": "example/image:1"}]}
FINALIZER = "recommender.dev/operator"
#: When this session collected its tests; older lines of the log are from another session.
STARTED = datetime.datetime.now(datetime.UTC)
#: Followed from a pod to its version. No controller makes them here; in the end-to-end tests they
#: are there.
CHAIN = {
    "apps": ("replicasets", "deployments"),
    "jobset.x-k8s.io": ("jobsets",),
    "serving.knative.dev": ("revisions", "configurations", "services"),
}
#: Rights that no test here needs, and why the operator has them.
EXCUSED = {
    Right(group, resource, "get"): "whose a pod is"
    for group, resources in CHAIN.items()
    for resource in resources
}


@pytest.fixture
async def life(tmp_path: pathlib.Path, kube: OfficialKube, namespace: str) -> Any:
    operator = rig.open_kube(account.clusterwide_config(tmp_path))
    yield Life(operator, kube, namespace, None)
    await operator.close()


async def serving(life: Life, **spec: Any) -> str:
    """Run until the first version serves; return its name."""
    assert await life.admin.create(MODELS, rig.manifest(life.namespace, **{**SPEC, **spec}))
    await life.until(lambda status, _: status.get("stage") == "Serving")
    (version,) = await life.versions()
    return version


async def test_a_version_that_lost_its_owner_is_adopted_again(life: Life) -> None:
    version = await serving(life)
    orphan: dict[str, Any] = {"metadata": {"ownerReferences": []}}
    await life.admin.patch(VERSIONS, life.namespace, version, orphan)
    await life.look()
    found = await life.admin.get(VERSIONS, life.namespace, version)
    assert found is not None
    assert found["metadata"]["ownerReferences"][0]["controller"] is True


async def test_foreign_objects_named_like_a_version_or_a_job_are_read_but_not_changed(
    life: Life,
) -> None:
    raw = await life.admin.create(MODELS, rig.manifest(life.namespace, **SPEC))
    assert raw is not None
    model = model_object(raw)
    name = names.desired_version("movies", model.spec)
    made = builder_inputs.version(name)
    version = model_version.model_version(model, name, made.spec)
    job = jobs.job(model, made, JobKind.CHECK, 0, {}, builder_inputs.OPTIONS)
    for resource, thing in ((VERSIONS, version), (JOBS, job)):
        thing["metadata"] |= {"labels": {}, "ownerReferences": []}
        stored = await life.admin.create(resource, thing)
        assert stored is not None
        for _ in range(3):
            await life.operator.reconciler.reconcile(life.key)
        reported = (await life.model())["status"]["conditions"]
        owned = next(condition for condition in reported if condition["type"] == "ObjectsOwned")
        assert f"{thing['kind']} {life.namespace}/{thing['metadata']['name']}" in owned["message"]
        place = (resource, life.namespace, thing["metadata"]["name"])
        assert await life.admin.get(*place) == stored
        assert await life.admin.delete(*place, uid=stored["metadata"]["uid"])
        await life.operator.reconciler.reconcile(life.key)


async def stands_in_the_way(life: Life, resource: Resource, name: str) -> None:
    """Put a foreign object in the place of one of the operator's, which must leave it alone."""
    place = (resource, life.namespace, name)
    own = await life.admin.get(*place)
    assert own is not None, place
    assert await life.admin.delete(*place, uid=own["metadata"]["uid"])
    theirs = {key: own[key] for key in ("apiVersion", "kind", "spec")}
    theirs["metadata"] = {"name": name, "namespace": life.namespace}
    stored = await life.admin.create(resource, theirs)
    assert stored is not None
    for _ in range(3):
        await life.operator.reconciler.reconcile(life.key)
    reported = (await life.model())["status"]["conditions"]
    owned = next(condition for condition in reported if condition["type"] == "ObjectsOwned")
    assert f"{own['kind']} {life.namespace}/{name}" in owned["message"]
    assert await life.admin.get(*place) == stored
    assert await life.admin.delete(*place, uid=stored["metadata"]["uid"])
    await life.operator.reconciler.reconcile(life.key)


async def test_foreign_objects_named_like_those_beside_a_service_are_read_but_not_changed(
    life: Life,
) -> None:
    version = await serving(life, serving={"autoscaling": {"maxReplicas": 3}})
    for resource, name in (
        (BUDGETS, f"{version}-{labels.Component.TRANSFORMER}"),
        (NETWORK_POLICIES, network_policies.name(version)),
        (AUTOSCALERS, f"{version}-{labels.Component.TRANSFORMER}-scaler"),
    ):
        await stands_in_the_way(life, resource, name)


async def test_a_foreign_baseline_of_a_step_is_read_but_not_changed(life: Life) -> None:
    await serving(life)
    change = {"spec": {"training": {"seed": 18}, "rollout": {"analysis": {"stepSeconds": 600}}}}
    await life.admin.patch(MODELS, life.namespace, "movies", change)

    async def of_step() -> list[str]:
        found = await life.admin.list(BASELINES, life.namespace, {})
        return [b["metadata"]["name"] for b in found if b["spec"]["key"].startswith("step/")]

    for _ in range(40):
        await life.look()
        if found := await of_step():
            break
    await stands_in_the_way(life, BASELINES, found[0])


async def test_autoscaling_that_changes_writes_autoscalers_and_no_replicas(life: Life) -> None:
    version = await serving(life)
    for most in (4, 5):
        change = {"spec": {"serving": {"autoscaling": {"maxReplicas": most}}}}
        await life.admin.patch(MODELS, life.namespace, "movies", change)
        await life.look()
        found = await life.admin.list(AUTOSCALERS, life.namespace, {})
        assert {(s["metadata"]["name"], s["spec"]["maxReplicas"]) for s in found} == {
            (f"{version}-{component}-scaler", most) for component in labels.Component
        }


async def test_versions_beyond_the_history_limit_are_deleted(life: Life) -> None:
    made = {await serving(life, history={"limit": 1})}
    for seed in (18, 19, 20):
        made.add(await promoted(life, seed))
    await life.until(lambda _, versions: len(versions) < len(made))


async def promoted(life: Life, seed: int) -> str:
    """Run until a version with another seed is promoted; return its name."""
    known = set(await life.versions())
    change = {"spec": {"training": {"seed": seed}}}
    await life.admin.patch(MODELS, life.namespace, "movies", change)
    await life.until(lambda _, versions: set(versions) != known)
    (new,) = set(await life.versions()) - known
    await life.until(lambda _, versions: versions.get(new) == "Promoted")
    return new


async def test_a_route_with_only_unfit_versions_is_deleted(life: Life) -> None:
    version = await serving(life)
    unfit = json.dumps({"status": {"stage": "Failed"}})
    rig.kubectl(
        "-n", life.namespace, "patch", "modelversion", version,
        "--subresource=status", "--type=merge", f"--patch={unfit}",
    )  # fmt: skip
    await life.look()
    assert await life.admin.list(HTTP_ROUTES, life.namespace, {}) == []


async def test_a_snapshot_of_a_deleted_model_is_stopped(life: Life) -> None:
    spec: dict[str, Any] = {
        "deletionPolicy": "Delete",
        "data": {"source": SOURCE, "snapshots": {}},
    }
    held = rig.manifest(life.namespace, **spec)
    held["metadata"]["finalizers"] = [FINALIZER]
    assert await life.admin.create(MODELS, held)

    async def snapshots() -> list[str]:
        found = await life.admin.list(JOBS, life.namespace, {labels.JOB_KIND: "snapshot"})
        return [job["metadata"]["name"] for job in found]

    for _ in range(20):
        await life.operator.reconciler.reconcile(life.key)
        if await snapshots():
            break
        # It plays the Job controller, except for the snapshot, which keeps running.
        await life.script.step()
    assert await snapshots()
    rig.kubectl("-n", life.namespace, "delete", "recommendermodel", "movies", "--wait=false")
    await life.operator.reconciler.reconcile(life.key)
    assert await snapshots() == []
    free: dict[str, Any] = {"metadata": {"finalizers": []}}
    await life.admin.patch(MODELS, life.namespace, "movies", free)


class KnativeLife(Life):
    """A lifecycle whose traffic KServe splits."""

    def _born(self) -> None:
        self.operator = Rig(kube=self.kube, samples=self.samples, key=self.key, knative=True)
        self.operator.time = self.time


async def test_in_knative_mode_the_revisions_are_read(life: Life) -> None:
    knative = KnativeLife(life.kube, life.admin, life.namespace, None)
    spec = {**SPEC, "rollout": {**SPEC["rollout"], "traffic": "Knative"}}
    assert await life.admin.create(MODELS, rig.manifest(life.namespace, **spec))
    await knative.until(lambda status, _: status.get("stage") == "Deploying")
    for _ in range(3):
        await knative.look()
    assert len(await life.admin.list(INFERENCE_SERVICES, life.namespace, {})) == 1


async def test_foreign_pods_with_the_models_labels_do_not_serve(life: Life) -> None:
    version = await serving(life)
    kinds = (
        "ReplicaSet", "Deployment", "InferenceService", "Revision", "Configuration", "Service",
        "Job", "JobSet", "TrainJob", "RecommenderModel",
    )  # fmt: skip
    for kind in kinds:
        await make_up(life, kind.lower(), version, controller(kind, "another", f"uid-{kind}"))
    snapshot = await life.operator.observer.observe(await life.model())
    assert [p["metadata"]["name"] for p in snapshot.pods[version]] == [f"{version}-transformer"]


async def make_up(life: Life, name: str, version: str, owners: list[Object]) -> None:
    """Create a pod with the labels of a version's pods and these owner references."""
    made_up = pod(name, version, owners=owners)
    made_up |= {"apiVersion": "v1", "kind": "Pod", "spec": CONTAINER}
    made_up["metadata"] |= {"namespace": life.namespace}
    made_up["metadata"].pop("uid")
    assert await life.admin.create(PODS, made_up)


async def test_a_pod_with_forged_owner_references_does_not_serve(life: Life) -> None:
    """The uids are the right ones: anybody who may read the objects knows them."""
    version = await serving(life)
    whole: dict[str, list[Object]] = {}
    for kind, resource, name in (
        ("RecommenderModel", MODELS, "movies"),
        ("ModelVersion", VERSIONS, version),
        ("InferenceService", INFERENCE_SERVICES, version),
        ("Deployment", DEPLOYMENTS, f"{version}-transformer"),
    ):
        found = await life.admin.get(resource, life.namespace, name)
        assert found is not None
        whole[kind] = controller(kind, name, found["metadata"]["uid"])
        await make_up(life, f"of-{kind.lower()}", version, whole[kind])
    # A Deployment of one's own below the InferenceService, with its ReplicaSet.
    owners = whole["InferenceService"]
    for step in STANDARD_CHAIN:
        made = await life.admin.create(step.resource, link(step, life.namespace, "evil", owners))
        assert made is not None
        owners = controller(step.kind, "evil", made["metadata"]["uid"])
    await make_up(life, "of-a-second-deployment", version, owners)
    snapshot = await life.operator.observer.observe(await life.model())
    assert [p["metadata"]["name"] for p in snapshot.pods[version]] == [f"{version}-transformer"]


async def test_a_repeated_event_is_counted(life: Life, tmp_path: pathlib.Path) -> None:
    await life.admin.create(MODELS, rig.manifest(life.namespace))
    model = model_object(await life.model())
    event = Event(type="Normal", reason="Promoted", message="it is better")
    for process in range(2):
        await EventRecorder(life.kube).post(model, event, life.time + process * QUIET)
    reported = rig.kubectl("-n", life.namespace, "get", "events", "-o", "name").split()
    assert len(reported) == 1


async def watch_every_kind(config: pathlib.Path) -> None:
    """Watch each kind once; other tests watch only those that the API server serves just then."""
    install_trainer()
    every = {Right(kind.group, kind.plural, "watch") for kind in model_caches.watched().kinds}
    async with caching(config):
        await until("watched", lambda: every <= used().rights)


def used() -> audit.Use:
    """The operator's requests in this session."""
    log = settings.apiserver_layout().audit_log
    return audit.use(audit.lines_of(log), account.clusterwide().user, STARTED)


async def test_every_right_is_used_and_no_request_is_denied(
    request: pytest.FixtureRequest, tmp_path: pathlib.Path
) -> None:
    ran = {item.path.stem for item in request.session.items}
    if missing := sorted(NEEDED - ran):
        pytest.skip(f"run {', '.join(missing)} in the same session")
    operator = account.clusterwide()
    await watch_every_kind(account.clusterwide_config(tmp_path))
    reported = used()
    assert reported.refused == ()
    assert audit.superfluous(audit.given(operator.rules), reported.rights, EXCUSED) == []
