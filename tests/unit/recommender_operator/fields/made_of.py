"""All manifests that are made of a spec, as a container or a controller understands them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from recommender_contract.resource.mapping import Format
from recommender_operator.adapters.traffic.keda import scaled_objects
from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.api.version import ModelVersionSpec
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources import autoscaling, inference_service, jobs, labels, train_jobs
from recommender_operator.resources.labels import Component
from recommender_training.config.training import parse_config
from recommender_training.data_checks.policy import parse_checks, parse_watch
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.unit.recommender_operator.resources import builder_inputs

#: An installation in which every setting can have an effect.
OPTIONS = dataclasses.replace(
    builder_inputs.OPTIONS,
    store_url="redis://store.team.svc:6379/0",
    store_namespace="team",
    collector_url="http://collector.team.svc",
    keda=True,
    keda_prometheus_url="http://prometheus:9090",
)
INPUTS = {
    "data_version": "i1.u1.t1-0123456789abcdef", "against": "i0.u1.t1-0123456789abcdef",
    "window_days": "9", "staged_path": "staging/movies/movies-0123abcd-1",
    "digest": builder_inputs.DIGEST,
}  # fmt: skip
STORED = {
    "metadata": {"name": "movies-0123abcd", "namespace": "team", "uid": "uid-service"},
    "apiVersion": inference_service.API_VERSION,
    "kind": "InferenceService",
}


def manifests(spec: RecommenderModelSpec) -> dict[str, Any]:
    """Return the manifests by name; the name of the version is always the same.

    A version's name has a digest of its spec, so that it would change with each field.

    Raises:
        InputError: the training refuses the settings.
    """
    model = dataclasses.replace(builder_inputs.model(), spec=spec)
    served = builder_inputs.version()
    record = ModelVersionSpec(
        model="movies", spec_hash="0" * 64, data=spec.data, training=spec.training
    )
    version = dataclasses.replace(served, spec=record)
    found = {
        **dict(_pipeline(model, version)),
        "Standard": inference_service.standard(model, version, OPTIONS),
        "Knative": knative_manifests.service(model, version, 10, OPTIONS),
        **dict(_scalers(spec)),
    }
    for made in found.values():  # A digest of settings is no effect of them.
        for digest in (labels.SERVING_DIGEST, labels.SCALING_DIGEST):
            made["metadata"].get("annotations", {}).pop(digest, None)
    return found


def _pipeline(model: ModelObject, version: VersionObject) -> Iterator[tuple[str, Any]]:
    """Yield the Jobs, with the arguments as their containers parse them."""
    for kind in (JobKind.CHECK, JobKind.TRAIN, JobKind.PUBLISH, JobKind.SNAPSHOT):
        if kind is JobKind.SNAPSHOT and model.spec.data.snapshots is None:
            continue
        made = jobs.job(model, version, kind, 1, INPUTS, OPTIONS)
        (container,) = made["spec"]["template"]["spec"]["containers"]
        container["command"] = _understood(container["command"], model.spec)
        yield kind.value, made
    if train_jobs.is_group(version, JobKind.TRAIN):
        yield "TrainJob", train_jobs.train_job(model, version, 1)


def _understood(command: list[str], spec: RecommenderModelSpec) -> list[Any]:
    """Return a command whose JSON is what the training reads of it."""
    parse = {"--config": parse_config, "--checks": parse_checks, "--drift": parse_watch}
    found: list[Any] = []
    mapping = ""
    for before, word in zip(["", *command], command, strict=False):
        if before == "--mapping":
            mapping += word.replace("$$", "$")
        found.append(repr(parse[before](word)) if before in parse else word)
    if mapping:
        kind = Format(spec.data.source.format.value)
        found = [word for word in found if not str(word).startswith("{")]
        found.append(repr(parse_mapping(mapping, kind)))
    return found


def _scalers(spec: RecommenderModelSpec) -> Iterator[tuple[str, Any]]:
    if spec.serving.autoscaling is None:
        return
    for component in Component:
        arguments = ("movies", "movies-0123abcd", component, spec.serving, STORED)
        yield f"HPA {component}", autoscaling.autoscaler(*arguments)
        yield f"KEDA {component}", scaled_objects.scaled_object(*arguments, OPTIONS)
