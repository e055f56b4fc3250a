"""Resources of containers: defaults, what follows from the graph, and what a spec changes."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.api.quantities import MEBIBYTE, number
from recommender_operator.api.spec import ServingSpec
from recommender_operator.api.spec_resources import Resources, TrainingResources
from recommender_operator.resources import inference_service
from recommender_operator.resources.container_resources import (
    SMALL,
    TRAINING,
    TRANSFORMER,
    TRITON,
    of_container,
    of_triton,
    threads_for,
)
from tests.unit.recommender_operator.resources.builder_inputs import OPTIONS, model, version

GIBIBYTE = 1024 * MEBIBYTE
#: The graph of MovieLens 100K, and that of a catalogue of a million items.
MOVIELENS, MILLION = {"modelMegabytes": 12.560666}, {"modelMegabytes": 699.0}


def triton_of(metrics: dict[str, float], **serving: Any) -> dict[str, Any]:
    """Return the resources of Triton's container for a version with these metrics."""
    published = version()
    measured = published.status.model_copy(update={"metrics": metrics})
    service = inference_service.standard(
        model(serving=serving), dataclasses.replace(published, status=measured), OPTIONS
    )
    found: dict[str, Any] = service["spec"]["predictor"]["model"]["resources"]
    return found


def test_a_default_version_of_a_small_graph_requests_less_than_two_gibibytes() -> None:
    serving = ServingSpec()
    triton = of_container(serving.resources, of_triton(MOVIELENS))
    transformer = of_container(serving.transformer_resources, TRANSFORMER)
    asked = sum(number(each["requests"]["memory"]) for each in (triton, transformer))
    assert asked * serving.replicas == 1.5 * GIBIBYTE


def test_the_defaults_are_those_of_the_documentation() -> None:
    assert of_container(Resources(), TRITON) == {
        "requests": {"cpu": "250m", "memory": "512Mi"},
        "limits": {"memory": "2Gi"},
    }
    assert of_container(Resources(), TRANSFORMER) == {
        "requests": {"cpu": "250m", "memory": "256Mi"},
        "limits": {"memory": "1Gi"},
    }
    assert of_container(TrainingResources(), TRAINING) == {
        "requests": {"cpu": "500m", "memory": "3Gi"},
        "limits": {"memory": "3Gi"},
    }


def test_triton_requests_twice_a_large_graph_and_has_room_above_it() -> None:
    assert triton_of(MOVIELENS) == triton_of({})
    assert triton_of(MILLION) == {
        "requests": {"cpu": "250m", "memory": "1718Mi"},
        "limits": {"memory": "2742Mi"},
    }


def test_the_request_of_a_user_is_kept_whatever_the_graph() -> None:
    asked = triton_of(MILLION, resources={"requests": {"memory": "100Mi"}})
    assert asked["requests"]["memory"] == "100Mi"
    bounded = triton_of(MILLION, resources={"limits": {"memory": "1Gi"}})
    assert (bounded["requests"]["memory"], bounded["limits"]["memory"]) == ("1Gi", "1Gi")


def test_a_limit_alone_is_the_request_as_in_a_pod() -> None:
    wanted = Resources(limits={"cpu": "4", "memory": "8Gi"})
    assert of_container(wanted, SMALL) == {
        "requests": {"cpu": "4", "memory": "8Gi"},
        "limits": {"cpu": "4", "memory": "8Gi"},
    }


def test_a_request_above_the_default_limit_raises_the_limit() -> None:
    wanted = Resources(requests={"memory": "4096Mi"})
    assert of_container(wanted, TRAINING)["limits"] == {"memory": "4096Mi"}
    assert of_container(Resources(requests={"memory": "1Gi"}), TRAINING)["limits"] == {
        "memory": "3Gi"
    }


def test_no_gpu_is_the_same_as_none() -> None:
    wanted = TrainingResources(limits={"nvidia.com/gpu": "0"})
    assert of_container(wanted, TRAINING) == of_container(TrainingResources(), TRAINING)


@given(
    st.dictionaries(st.sampled_from(["cpu", "memory"]), st.sampled_from(["1", "700Mi", "9Gi"])),
    st.dictionaries(st.sampled_from(["cpu", "memory"]), st.sampled_from(["9Gi", "20Gi"])),
    st.floats(min_value=0, max_value=1e6),
)
def test_no_request_is_above_its_limit(
    requests: dict[str, str], limits: dict[str, str], graph: float
) -> None:
    wanted = Resources(requests=requests, limits=limits)
    made = of_container(wanted, of_triton({"modelMegabytes": graph}))
    for name, limit in made["limits"].items():
        assert number(made["requests"][name]) <= number(limit)


@pytest.mark.parametrize(
    ("cpu", "limit", "threads"),
    [("500m", None, 1), ("2", None, 2), ("1500m", None, 2), ("1", "4", 4), ("0.5", None, 1),
     (None, "3", 3), (None, None, 1)],
)  # fmt: skip
def test_a_job_uses_as_many_threads_as_it_has_cores(
    cpu: str | None, limit: str | None, threads: int
) -> None:
    wanted = Resources(
        requests={"cpu": cpu} if cpu else {}, limits={"cpu": limit} if limit else {}
    )
    assert threads_for(of_container(wanted, TRAINING)) == threads
