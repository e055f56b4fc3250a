"""A model and a published version to build manifests from."""

from __future__ import annotations

import datetime

from recommender_contract.resource.recalibration import Recalibration
from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import Artifact, ModelVersionSpec, ModelVersionStatus
from recommender_operator.observed import JobKind, ModelObject, VersionObject
from recommender_operator.resources.options import Options
from tests.sources import source

DIGEST = "sha256:" + "ab" * 32
OPTIONS = Options(
    training_image="registry.example/training:1",
    serving_image="registry.example/serving:1",
    image_pull_secrets=("registry",),
    gateway_name="gate",
    gateway_namespace="gate-system",
    gateway_section="web",
    domain="models.example",
)

_FIRST, _DAY = datetime.datetime(2026, 1, 9, tzinfo=datetime.UTC), datetime.timedelta(days=1)
RECALIBRATION = Recalibration(
    of="movies-89abcdef",
    slope=0.96,
    shift=-0.5,
    total_slope=0.96,
    total_shift=-0.5,
    since=_FIRST,
    judged_since=_FIRST + 14 * _DAY,
    through=_FIRST + 21 * _DAY,
    users=3500,
    labels=2800,
    ratio=0.65,
    ratio_after=1.01,
    gain=0.012,
    gain_low=0.01,
    gain_high=0.014,
)


def model(**sections: object) -> ModelObject:
    spec = {
        "data": {
            "source": source(path="ml-100k"),
            "window": {"days": 90},
        },
        "storage": {"persistentVolumeClaim": {"claimName": "store"}},
        "serving": {"replicas": 2},
    }
    return ModelObject(
        name="movies",
        namespace="team",
        uid="uid-model",
        generation=3,
        spec=RecommenderModelSpec.model_validate(spec | sections),
        status=RecommenderModelStatus(),
        created_at=datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC),
    )


def of_kind(kind: JobKind) -> VersionObject:
    """Return the version that a kind of Job is for."""
    return version(recalibration=RECALIBRATION if kind is JobKind.RECALIBRATE else None)


def version(
    name: str = "movies-0123abcd",
    *,
    published: bool = True,
    recalibration: Recalibration | None = None,
) -> VersionObject:
    owner = model()
    artifact = Artifact(path="artifacts/movies/abababababababab", digest=DIGEST)
    return VersionObject(
        name=name,
        uid="uid-version",
        spec=ModelVersionSpec(
            model="movies",
            spec_hash="0" * 64,
            data=owner.spec.data,
            training=owner.spec.training,
            recalibration=recalibration,
        ),
        status=ModelVersionStatus(artifact=artifact if published else None),
    )
