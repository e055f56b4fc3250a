"""Memory that deployed versions request, as read from the stored objects."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.traffic.knative import knative_manifests
from recommender_operator.api.quantities import MEBIBYTE
from recommender_operator.resources import inference_service, requested_memory
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version
from tests.unit.recommender_operator.resources.built_manifests import knative


def standard(**serving: Any) -> dict[str, Any]:
    return inference_service.standard(model(serving=serving), version(), OPTIONS)


def test_a_version_requests_the_memory_of_all_its_pods() -> None:
    assert requested_memory.of_service(standard()) == 1536 * MEBIBYTE
    alone = standard(replicas=1, transformerReplicas=3)
    assert requested_memory.of_service(alone) == (512 + 3 * 256) * MEBIBYTE


def test_what_is_stored_counts_and_not_the_defaults_of_this_release() -> None:
    former = standard(replicas=1)
    former["spec"]["predictor"]["model"]["resources"]["requests"]["memory"] = "2Gi"
    assert requested_memory.of_service(former) == (2048 + 256) * MEBIBYTE


def test_a_pod_in_knative_mode_has_both_containers() -> None:
    assert requested_memory.of_service(knative()) == 2 * (512 + 256) * MEBIBYTE
    containers = [{"resources": {"requests": {"memory": each}}} for each in ("512Mi", 268435456)]
    revision = {
        "metadata": {"annotations": {knative_manifests.MIN_SCALE: "2"}},
        "spec": {"containers": [*containers, {"name": "other"}]},
    }
    assert knative_manifests.requested_memory_of(revision) == 2 * (512 + 256) * MEBIBYTE


@pytest.mark.parametrize("memory", ["much", "1e3", None])
def test_a_form_that_nobody_here_writes_is_no_error(memory: object) -> None:
    stored = standard(replicas=1)
    stored["spec"]["predictor"]["model"]["resources"]["requests"]["memory"] = memory
    assert requested_memory.of_service(stored) == 256 * MEBIBYTE


def test_an_object_without_a_spec_requests_nothing() -> None:
    assert requested_memory.of_service({"metadata": {}}) == 0
    assert knative_manifests.requested_memory_of({"metadata": {}}) == 0
