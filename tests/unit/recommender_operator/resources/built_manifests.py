"""Jobs and InferenceServices of a model, as the operator builds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.observed import JobKind, ModelObject
from recommender_operator.resources import inference_service, jobs, labels
from tests.sources import SOURCE
from tests.unit.recommender_operator.resources.builder_inputs import (
    DIGEST,
    OPTIONS,
    model,
    of_kind,
    version,
)

Golden = Callable[[str, Any], None]
PAST = "i3.u1.t0-0123456789abcdef"
INPUTS = {
    JobKind.CHECK: {},
    JobKind.TRAIN: {"data_version": "7-00ff"},
    JobKind.RECALIBRATE: {"source_path": "artifacts/movies/00", "source_digest": DIGEST},
    JobKind.PUBLISH: {"staged_path": "staging/movies/movies-0123abcd-1", "digest": DIGEST},
    JobKind.REMOVE: {"paths": "artifacts/movies/00,staging/movies/x-1"},
    JobKind.SNAPSHOT: {"keep": f"{PAST},i4.u1.t0-00000000000000ff"},
}


def job(kind: JobKind) -> labels.Manifest:
    if kind is JobKind.SNAPSHOT:
        return jobs.job(scheduled(), None, kind, 29454480, INPUTS[kind], OPTIONS)
    return jobs.job(model(), of_kind(kind), kind, 1, INPUTS[kind], OPTIONS)


def scheduled(**data: object) -> ModelObject:
    return model(data={"source": SOURCE, "snapshots": {"keep": 48}} | data)


def command_of(manifest: labels.Manifest) -> list[str]:
    found: list[str] = manifest["spec"]["template"]["spec"]["containers"][0]["command"]
    return found


def standard() -> labels.Manifest:
    return inference_service.standard(model(), version(), OPTIONS)


def knative() -> labels.Manifest:
    return knative_manifests.service(model(), version(), 10, OPTIONS)


MAPPING: dict[str, Any] = {
    "interactions": {
        "files": "events/*.csv",
        "user": "u$(HOME)",
        "item": 'größe, "x"',
        "timestamp": "at",
        "timestampUnit": "ISO8601",
        "value": "stars",
    },
    "items": {
        "files": "items.csv",
        "id": "id",
        "features": [
            {"name": "tag", "kind": "MultiCategorical", "column": "tags", "separator": "|"}
        ],
    },
}
