"""The rules for the pods of all manifests, and the manifest of a version."""

from __future__ import annotations

from collections.abc import Iterator

from recommender_operator.observed import JobKind
from recommender_operator.resources import labels, model_version
from tests.unit.recommender_operator.resources.builder_inputs import model, version
from tests.unit.recommender_operator.resources.built_manifests import (
    Golden,
    job,
    knative,
    standard,
)


def test_a_model_version_is_as_expected(golden: Golden) -> None:
    golden("model_version", model_version.model_version(model(), "movies-0", version().spec))


def pods() -> Iterator[labels.Manifest]:
    for kind in JobKind:
        yield job(kind)["spec"]["template"]["spec"]
    yield from served()


def served() -> Iterator[labels.Manifest]:
    yield from standard()["spec"].values()
    yield from knative()["spec"].values()


def containers(pod: labels.Manifest) -> Iterator[labels.Manifest]:
    yield from pod.get("containers", [])
    yield from pod.get("initContainers", [])
    if "model" in pod:
        yield pod["model"]


def test_every_container_keeps_to_the_restricted_standard() -> None:
    for pod in pods():
        assert pod["automountServiceAccountToken"] is False
        for container in containers(pod):
            security = container["securityContext"]
            assert security["runAsNonRoot"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert security["seccompProfile"] == {"type": "RuntimeDefault"}
            assert {"cpu", "memory"} <= set(container["resources"]["requests"])
            assert "memory" in container["resources"]["limits"]


def test_pods_are_spread_by_labels_that_they_have() -> None:
    for pod in standard()["spec"].values():
        for constraint in pod["topologySpreadConstraints"]:
            assert constraint["labelSelector"]["matchLabels"].items() <= pod["labels"].items()


def test_every_own_container_has_a_read_only_root_and_a_place_to_write() -> None:
    for pod in pods():
        for container in containers(pod):
            if "image" not in container:
                continue
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_a_served_version_cannot_write_to_the_artifact_store() -> None:
    for pod in served():
        claim = pod["volumes"][0]["persistentVolumeClaim"]
        assert claim == {"claimName": "store", "readOnly": True}
        for container in [*pod.get("containers", []), *pod.get("initContainers", [])]:
            mount = container["volumeMounts"][0]
            assert mount["readOnly"] is True
            assert mount["subPath"] == "artifacts/movies/abababababababab"
