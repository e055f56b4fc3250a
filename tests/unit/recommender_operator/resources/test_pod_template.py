"""Pods get the fields of `podTemplate`, and keep those that the operator needs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.api.spec import DataSpec, ServingSpec, TrainingSpec
from recommender_operator.api.spec_pod_template import PodSpec, PodTemplate
from recommender_operator.observed import JobKind, ModelObject
from recommender_operator.resources import (
    inference_service,
    jobs,
    names,
    pod_template,
    train_jobs,
)
from recommender_operator.resources.labels import Manifest
from tests.sources import SOURCE
from tests.unit.recommender_operator.resources.builder_inputs import (
    OPTIONS,
    model,
    of_kind,
    version,
)
from tests.unit.recommender_operator.resources.built_manifests import INPUTS
from tests.unit.recommender_operator.resources.test_train_jobs import group

POOL: dict[str, Any] = {
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}
                ]
            }
        }
    },
    "serviceAccountName": "trainer",
    "priorityClassName": "batch",
}
MARKS = {"labels": {"team": "web"}, "annotations": {"example.com/cost": "a b"}}


def placed(**more: object) -> ModelObject:
    section = {"podTemplate": {"metadata": {**MARKS, **more}, "spec": POOL}}
    data = {"source": SOURCE, "snapshots": {"keep": 48}}
    return model(training=section, serving={"replicas": 2, **section}, data=data)


def templates() -> Iterator[tuple[JobKind, Manifest]]:
    for kind in JobKind:
        of = None if kind is JobKind.SNAPSHOT else of_kind(kind)
        made = jobs.job(placed(), of, kind, 1, INPUTS[kind], OPTIONS)
        yield kind, made["spec"]["template"]


def served() -> Iterator[Manifest]:
    yield from inference_service.standard(placed(), version(), OPTIONS)["spec"].values()
    yield from knative_manifests.service(placed(), version(), 10, OPTIONS)["spec"].values()


def test_every_job_runs_where_and_as_whom_training_says() -> None:
    for kind, template in templates():
        if kind is not JobKind.REMOVE:
            assert POOL.items() <= template["spec"].items()
            assert template["metadata"]["annotations"] == MARKS["annotations"]
            assert template["metadata"]["labels"]["team"] == "web"


def test_a_removal_keeps_only_the_nodes_of_training() -> None:
    removal = dict(templates())[JobKind.REMOVE]
    bare = jobs.job(model(), version(), JobKind.REMOVE, 1, INPUTS[JobKind.REMOVE], OPTIONS)
    kept = {field: POOL[field] for field in ("nodeSelector", "tolerations")}
    template = bare["spec"]["template"]
    assert removal == {**template, "spec": {**template["spec"], **kept}}


def test_a_removal_leaves_out_tolerations_that_no_pod_can_have() -> None:
    spec = PodSpec.model_validate({**POOL, "tolerations": [{"key": 3}]})
    removal = pod_template.of_removal(PodTemplate(spec=spec))
    assert pod_template.pod(removal) == {"nodeSelector": POOL["nodeSelector"]}


def test_every_worker_of_a_group_does_too() -> None:
    runtime = train_jobs.training_runtime(
        placed(), group(), 1, INPUTS[JobKind.TRAIN], OPTIONS, fs_group=False
    )
    (node,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    template = node["template"]["spec"]["template"]
    assert POOL.items() <= template["spec"].items()
    assert MARKS["labels"].items() <= template["metadata"]["labels"].items()


def test_every_served_pod_does_what_serving_says_and_is_still_spread() -> None:
    for pod in served():
        assert POOL.items() <= pod.items()
        assert pod["labels"]["team"] == "web"
        assert pod["annotations"] == MARKS["annotations"]
        assert pod["automountServiceAccountToken"] is False
    transformer = inference_service.standard(placed(), version(), OPTIONS)["spec"]["transformer"]
    assert transformer["topologySpreadConstraints"]


def test_labels_of_the_operator_take_precedence() -> None:
    own = placed(labels={"recommender.dev/model": "theirs"})
    template = jobs.job(own, version(), JobKind.CHECK, 1, {}, OPTIONS)["spec"]["template"]
    assert template["metadata"]["labels"]["recommender.dev/model"] == "movies"


def test_where_pods_run_makes_no_other_version_but_replaces_served_pods() -> None:
    data = DataSpec.model_validate({"source": SOURCE})
    training = TrainingSpec.model_validate({"podTemplate": {"spec": POOL}})
    assert names.spec_hash(data, training) == names.spec_hash(data, TrainingSpec())
    serving = ServingSpec.model_validate({"podTemplate": {"spec": POOL}})
    digest = inference_service.serving_digest
    assert digest(serving) != digest(ServingSpec())


def test_the_training_command_does_not_see_where_it_runs() -> None:
    spec = version().spec
    training = placed().spec.training
    of = version().__class__(
        name="movies-0",
        uid="u",
        spec=spec.model_copy(update={"training": training}),
        status=version().status,
    )
    made = jobs.job(placed(), of, JobKind.TRAIN, 1, INPUTS[JobKind.TRAIN], OPTIONS)
    (main,) = made["spec"]["template"]["spec"]["containers"]
    assert "podTemplate" not in main["command"][main["command"].index("--config") + 1]
