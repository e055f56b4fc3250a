"""A champion whose record is removed by force, with a real API server and garbage collector."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from recommender_operator.adapters.kinds import HTTP_ROUTES, INFERENCE_SERVICES, VERSIONS
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import PODS, Object
from recommender_operator.resources import http_route, labels
from tests.cluster import apiserver
from tests.integration import operator_account as account
from tests.integration import operator_api_rig as rig
from tests.integration.test_operator_lifecycle import Life
from tests.integration.test_rights_used import promoted, serving

pytestmark = pytest.mark.integration

#: Seconds within which the garbage collector acts, also on a busy machine.
PATIENCE = 120


@pytest.fixture(scope="module")
def collector() -> Iterator[None]:
    rig.kubeconfig()
    with apiserver.garbage_collection():
        yield


@pytest.fixture
async def life(tmp_path: pathlib.Path, kube: OfficialKube, namespace: str, collector: None) -> Any:
    operator = rig.open_kube(account.clusterwide_config(tmp_path))
    yield Life(operator, kube, namespace, None)
    await operator.close()


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await condition():
            await asyncio.sleep(0.1)


async def stored(life: Life, resource: Any, name: str) -> Object:
    found = await life.admin.get(resource, life.namespace, name)
    assert found is not None, name
    return found


async def serving_pods(life: Life, version: str) -> set[str]:
    pods = await life.admin.list(PODS, life.namespace, {labels.VERSION: version})
    return {
        pod["metadata"]["uid"] for pod in pods if labels.COMPONENT in pod["metadata"]["labels"]
    }


async def controllers(life: Life, service: str) -> set[str]:
    """Return the uids that control a service; empty if garbage collection removed the last."""
    owners = (await stored(life, INFERENCE_SERVICES, service))["metadata"]["ownerReferences"]
    return {owner["uid"] for owner in owners if owner.get("controller")}


def delete(life: Life, version: str, *options: str) -> None:
    rig.kubectl("delete", "mver", version, "-n", life.namespace, "--wait=false", *options)


def free(life: Life, version: str) -> None:
    """Remove the finalizers, as somebody does who is tired of waiting."""
    patch = '{"metadata":{"finalizers":null}}'
    rig.kubectl("patch", "mver", version, "-n", life.namespace, "--type=merge", "-p", patch)


async def settled(life: Life, version: str) -> Object:
    """Look until the version controls its service; no look moves any traffic."""
    for _ in range(20):
        await life.look()
        route = await stored(life, HTTP_ROUTES, "movies")
        assert http_route.weights_of(route) == {version: 100}
        found = await life.admin.get(VERSIONS, life.namespace, version)
        if found is not None and await controllers(life, version) == {found["metadata"]["uid"]}:
            break
    for _ in range(3):
        await life.look()
    return await stored(life, VERSIONS, version)


@pytest.mark.parametrize("cascade", ["background", "foreground"])
async def test_a_champion_that_is_forced_out_is_rebuilt_and_its_pods_serve_on(
    life: Life, cascade: str
) -> None:
    first = await serving(life)
    champion = await promoted(life, 18)
    await life.look()
    before = await stored(life, VERSIONS, champion)
    service, pods = (
        await stored(life, INFERENCE_SERVICES, champion),
        await serving_pods(life, champion),
    )
    assert len(pods) == 2
    delete(life, champion, f"--cascade={cascade}")
    free(life, champion)
    old = before["metadata"]["uid"]

    async def released() -> bool:
        return old not in await controllers(life, champion)

    await until(released)
    after = await settled(life, champion)
    assert after["metadata"]["uid"] != old
    assert after["metadata"]["finalizers"] == ["recommender.dev/serving"]
    assert after["spec"] == before["spec"]
    for field in ("stage", "promotion", "artifact", "lineage", "metrics", "gates", "decision"):
        assert after["status"][field] == before["status"][field], field
    now = await stored(life, INFERENCE_SERVICES, champion)
    assert now["metadata"]["uid"] == service["metadata"]["uid"]
    assert now["spec"] == service["spec"]
    assert await serving_pods(life, champion) == pods
    assert set(await life.versions()) == {first, champion}, "nothing is trained"
    assert (await life.model())["status"]["champion"] == champion


async def test_a_deletion_in_the_foreground_leaves_the_service_of_the_champion_alone(
    life: Life,
) -> None:
    champion = await serving(life, serving={"keepPrevious": False})
    await life.look()
    service, pods = (
        await stored(life, INFERENCE_SERVICES, champion),
        await serving_pods(life, champion),
    )
    delete(life, champion, "--cascade=foreground")

    async def collected() -> bool:
        version = await stored(life, VERSIONS, champion)
        held: bool = version["metadata"]["finalizers"] == ["recommender.dev/serving"]
        return held

    await until(collected)
    version = await settled(life, champion)
    assert version["metadata"]["deletionTimestamp"], "it is the same record, held"
    now = await stored(life, INFERENCE_SERVICES, champion)
    assert now["metadata"]["uid"] == service["metadata"]["uid"]
    assert await serving_pods(life, champion) == pods

    new = await promoted(life, 18)
    await life.until(lambda _, versions: champion not in versions)
    assert set(await life.versions()) == {new}


async def test_a_version_that_is_forced_out_beside_the_champion_leaves_no_service(
    life: Life,
) -> None:
    former = await serving(life)
    champion = await promoted(life, 18)
    await life.look()
    delete(life, former)
    free(life, former)

    async def released() -> bool:
        return not await controllers(life, former)

    await until(released)
    for _ in range(5):
        await life.look()
    assert set(await life.versions()) == {champion}
    found = await life.admin.list(INFERENCE_SERVICES, life.namespace, {})
    assert [service["metadata"]["name"] for service in found] == [champion]


async def test_a_deleted_model_leaves_no_service(life: Life) -> None:
    champion = await serving(life)
    await life.look()
    rig.kubectl("delete", "recommendermodel", "movies", "-n", life.namespace, "--wait=false")
    for _ in range(20):
        await life.look()

    async def gone() -> bool:
        left = await life.admin.get(INFERENCE_SERVICES, life.namespace, champion)
        return left is None and not await life.versions()

    await until(gone)
