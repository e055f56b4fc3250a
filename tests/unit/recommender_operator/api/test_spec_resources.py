"""Requests and limits of the spec; `test_crd_resource_rules.py` asks an API server the same."""

from __future__ import annotations

from typing import Any

import pydantic
import pytest

from recommender_operator.api.spec_resources import Resources, TrainingResources

GPU = "nvidia.com/gpu"


def refusal(kind: type[Resources], **given: Any) -> str:
    with pytest.raises(pydantic.ValidationError) as error:
        kind.model_validate(given)
    return str(error.value)


def test_quantities_are_texts_or_integers() -> None:
    given = {"requests": {"cpu": 2, "memory": "1Gi"}, "limits": {"cpu": "2500m"}}
    assert Resources.model_validate(given).dump() == {
        "requests": {"cpu": "2", "memory": "1Gi"},
        "limits": {"cpu": "2500m"},
    }


@pytest.mark.parametrize("value", [-1, "-1", "lots", True, 0.5, "1e3", None])
def test_other_values_are_refused(value: Any) -> None:
    assert "requests.cpu" in refusal(Resources, requests={"cpu": value})


@pytest.mark.parametrize(
    ("name", "request_", "limit"), [("memory", "2Gi", "2047Mi"), ("cpu", 2, "1500m")]
)
def test_a_request_above_its_limit_is_refused_with_both_values_and_the_remedy(
    name: str, request_: str | int, limit: str
) -> None:
    message = refusal(Resources, requests={name: request_}, limits={name: limit})
    assert f"requests.{name} {request_} is above limits.{name} {limit}" in message
    assert "lower the request or raise the limit" in message


@pytest.mark.parametrize(("request_", "limit"), [("1Gi", "1024Mi"), ("1", "1000m"), ("0", 0)])
def test_a_request_may_be_its_limit(request_: str, limit: str | int) -> None:
    for name in ("cpu", "memory"):
        Resources.model_validate({"requests": {name: request_}, "limits": {name: limit}})


@pytest.mark.parametrize("part", ["requests", "limits"])
def test_other_resources_are_refused_by_name(part: str) -> None:
    message = refusal(TrainingResources, **{part: {"ephemeral-storage": "1Gi"}})
    assert f"{part} ephemeral-storage is not for a model to set: remove it" in message


def test_a_gpu_is_a_limit_of_a_training_alone() -> None:
    TrainingResources.model_validate({"limits": {GPU: 1}})
    TrainingResources.model_validate({"limits": {GPU: 0}})
    assert f"requests {GPU}" in refusal(TrainingResources, requests={GPU: 1})
    assert f"limits {GPU}" in refusal(Resources, limits={GPU: 1})
    assert f"limits {GPU} 2 is above 1" in refusal(TrainingResources, limits={GPU: 2})
