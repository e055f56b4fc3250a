"""Deletion of ModelVersions that serve, with a real API server."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest

from recommender_operator.adapters.kinds import (
    HTTP_ROUTES,
    INFERENCE_SERVICES,
    JOBS,
    MODELS,
    VERSIONS,
)
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import KubeError, Object
from recommender_operator.resources import http_route
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.integration.test_operator_lifecycle import Life
from tests.integration.test_rights_used import promoted, serving

pytestmark = pytest.mark.integration


@pytest.fixture
async def life(tmp_path: pathlib.Path, kube: OfficialKube, namespace: str) -> Any:
    operator = rig.open_kube(account.clusterwide_config(tmp_path))
    yield Life(operator, kube, namespace, None)
    await operator.close()


async def stored(life: Life, resource: Any, name: str) -> Object | None:
    return await life.admin.get(resource, life.namespace, name)


async def delete(life: Life, resource: Any, name: str) -> None:
    found = await stored(life, resource, name)
    assert found is not None
    uid = found["metadata"]["uid"]
    assert await life.admin.delete(resource, life.namespace, name, uid=uid)


async def test_a_deleted_champion_serves_on_until_another_version_has_taken_over(
    life: Life,
) -> None:
    champion = await serving(life, serving={"keepPrevious": False})
    await life.look()
    jobs = await life.admin.list(JOBS, life.namespace, {})
    service = await stored(life, INFERENCE_SERVICES, champion)
    await delete(life, VERSIONS, champion)
    for _ in range(3):
        await life.look()
    version = await stored(life, VERSIONS, champion)
    assert version is not None
    assert version["metadata"]["deletionTimestamp"]
    assert await stored(life, INFERENCE_SERVICES, champion) == service
    assert await life.admin.list(JOBS, life.namespace, {}) == jobs, "nothing is trained"
    route = await stored(life, HTTP_ROUTES, "movies")
    assert route is not None
    assert http_route.weights_of(route) == {champion: 100}
    patch = {"metadata": {"finalizers": ["example.com/late", "recommender.dev/serving"]}}
    with pytest.raises(KubeError, match="no new finalizers can be added"):
        await life.admin.patch(VERSIONS, life.namespace, champion, patch)

    new = await promoted(life, 18)
    await life.until(lambda _, versions: champion not in versions)
    assert set(await life.versions()) == {new}


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
async def test_a_deleted_model_leaves_no_version_with_a_finalizer(life: Life, policy: str) -> None:
    champion = await serving(life, deletionPolicy=policy)
    await life.look()
    held = await stored(life, VERSIONS, champion)
    assert held is not None
    assert held["metadata"]["finalizers"] == ["recommender.dev/serving"]
    await delete(life, MODELS, "movies")
    for _ in range(20):
        await life.look()
        if await stored(life, MODELS, "movies") is None:
            break
    assert await stored(life, MODELS, "movies") is None
    for version in await life.admin.list(VERSIONS, life.namespace, {}):
        assert not version["metadata"].get("finalizers"), "garbage collection can delete it"


async def test_a_champion_that_is_forced_out_is_rebuilt_before_garbage_is_collected(
    life: Life,
) -> None:
    """Nothing collects here, so that the service still names its former record."""
    champion = await serving(life)
    await life.look()
    old = (await stored(life, VERSIONS, champion) or {})["metadata"]["uid"]
    service = (await stored(life, INFERENCE_SERVICES, champion) or {})["metadata"]["uid"]
    await delete(life, VERSIONS, champion)
    free: Object = {"metadata": {"finalizers": None}}
    await life.admin.patch(VERSIONS, life.namespace, champion, free)
    assert await stored(life, VERSIONS, champion) is None
    for _ in range(6):
        await life.look()
        route = await stored(life, HTTP_ROUTES, "movies")
        assert route is not None
        assert http_route.weights_of(route) == {champion: 100}
    new = await stored(life, VERSIONS, champion)
    left = await stored(life, INFERENCE_SERVICES, champion)
    assert new is not None
    assert left is not None
    assert left["metadata"]["uid"] == service
    owners = {each["uid"]: each["controller"] for each in left["metadata"]["ownerReferences"]}
    model = (await life.model())["metadata"]["uid"]
    assert owners == {new["metadata"]["uid"]: True, model: False, old: False}
    assert (await life.model())["status"]["stage"] == "Serving"
    assert set(await life.versions()) == {champion}
