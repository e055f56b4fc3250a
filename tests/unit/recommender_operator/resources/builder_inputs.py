"""A model and a published version to build manifests from."""

from __future__ import annotations

from recommender_operator.api.spec import RecommenderModelSpec
from recommender_operator.api.status import RecommenderModelStatus
from recommender_operator.api.version import Artifact, ModelVersionSpec, ModelVersionStatus
from recommender_operator.observed import ModelObject, VersionObject
from recommender_operator.resources.options import Options

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


def model(**sections: object) -> ModelObject:
    spec = {
        "data": {"source": {"claimName": "raw", "path": "ml-100k"}, "window": {"days": 90}},
        "storage": {"claimName": "store"},
        "serving": {"replicas": 2},
    }
    return ModelObject(
        name="movies",
        namespace="team",
        uid="uid-model",
        generation=3,
        spec=RecommenderModelSpec.model_validate(spec | sections),
        status=RecommenderModelStatus(),
    )


def version(name: str = "movies-0123abcd", *, published: bool = True) -> VersionObject:
    owner = model()
    artifact = Artifact(path="artifacts/movies/abababababababab", digest=DIGEST)
    return VersionObject(
        name=name,
        uid="uid-version",
        spec=ModelVersionSpec(
            model="movies", spec_hash="0" * 64, data=owner.spec.data, training=owner.spec.training
        ),
        status=ModelVersionStatus(artifact=artifact if published else None),
    )
