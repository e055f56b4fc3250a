"""A real API server judges requests and limits as the operator does."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from recommender_operator.api.spec import RecommenderModelSpec
from tests.integration.crd_rig import Json, Server, changed, installed, refusal

pytestmark = pytest.mark.integration

FIELDS = ("training.resources", "serving.resources", "serving.transformerResources")
GPU = "nvidia.com/gpu"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with installed() as server:
        yield server


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    "given",
    [
        {},
        {"requests": {"cpu": 2, "memory": "512Mi"}, "limits": {"cpu": "2", "memory": "0.5Gi"}},
        {"requests": {"cpu": "100m"}, "limits": {"memory": 2147483648}},
        {"requests": {"memory": "1Gi"}},
        {"limits": {"cpu": "1.5", "memory": "1G"}},
    ],
    ids=str,
)
def test_requests_and_limits_are_accepted_as_in_a_pod(
    server: Server, field: str, given: Json
) -> None:
    created = server.create(changed(field, given), dry_run="All", field_validation="Strict")
    spec = RecommenderModelSpec.model_validate(created["spec"])
    assert spec.serving.resources.limits.keys() <= {"cpu", "memory"}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize(
    ("name", "wanted", "limit"), [("memory", "2Gi", "2047Mi"), ("cpu", 2, "1500m")]
)
def test_a_request_above_its_limit_is_rejected_with_both_values_and_the_remedy(
    server: Server, field: str, name: str, wanted: str | int, limit: str
) -> None:
    body = changed(field, {"requests": {name: wanted}, "limits": {name: limit}})
    message = refusal(lambda: server.create(body, dry_run="All"))
    assert f"{field}.requests.{name} {wanted} is above limits.{name} {limit}" in message
    assert "lower the request or raise the limit" in message


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("part", ["requests", "limits"])
def test_other_resources_are_rejected_by_name(server: Server, field: str, part: str) -> None:
    body = changed(field, {part: {"ephemeral-storage": "1Gi"}})
    message = refusal(lambda: server.create(body, dry_run="All"))
    assert f"{field}.{part} ephemeral-storage is not for a model to set: remove it" in message


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", ["lots", "1K", -1, True, 0.5])
def test_what_is_no_quantity_is_rejected_with_the_field(
    server: Server, field: str, value: str | float
) -> None:
    body = changed(field, {"requests": {"cpu": value}})
    message = refusal(lambda: server.create(body, dry_run="All"))
    assert f"spec.{field}.requests.cpu" in message


def test_a_gpu_is_a_limit_of_a_training_alone(server: Server) -> None:
    for value in (0, 1, "1"):
        body = changed("training.resources", {"limits": {GPU: value}})
        server.create(body, dry_run="All", field_validation="Strict")
    refused = (
        (FIELDS[0], "limits", 2, f"{FIELDS[0]}.limits {GPU} 2 is above 1"),
        (FIELDS[0], "requests", 1, f"{FIELDS[0]}.requests {GPU} is not for a model to set"),
        (FIELDS[1], "limits", 1, f"{FIELDS[1]}.limits {GPU} is not for a model to set"),
        (FIELDS[2], "limits", 1, f"{FIELDS[2]}.limits {GPU} is not for a model to set"),
    )
    for field, part, value, message in refused:
        body = changed(field, {part: {GPU: value}})
        assert message in refusal(functools.partial(server.create, body, dry_run="All"))
