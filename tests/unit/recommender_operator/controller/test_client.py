"""The port with the official client: requests, retries and errors."""

from __future__ import annotations

from typing import Any

import pytest

from recommender_operator.adapters.kinds import EVENTS, HTTP_ROUTES, MODELS
from recommender_operator.controller.client import OfficialKube
from recommender_operator.controller.kube import PODS, ConflictError, KubeError, NotLeaderError
from tests.unit.recommender_operator.controller.played_server import Server, failure

MANIFEST: dict[str, Any] = {
    "metadata": {"name": "movies", "namespace": "team"},
    "status": {"stage": "Pending"},
}
#: The object from an earlier read.
SEEN: dict[str, Any] = {"metadata": {"uid": "u-1", "resourceVersion": "7"}}


async def test_an_object_that_does_not_exist_is_none(server: Server, kube: OfficialKube) -> None:
    server.says(404, failure(404, "NotFound"))
    assert await kube.get(MODELS, "team", "movies") is None


async def test_a_list_is_read_page_by_page_with_its_labels(
    server: Server, kube: OfficialKube
) -> None:
    server.says(200, {"items": [{"n": 1}], "metadata": {"continue": "more"}})
    server.says(200, {"items": [{"n": 2}], "metadata": {}})
    found = await kube.list(PODS, "team", {"b": "2", "a": "1"})
    assert found == [{"n": 1}, {"n": 2}]
    first, second = (request[1] for request in server.requests)
    assert first == "/api/v1/namespaces/team/pods?limit=500&labelSelector=a%3D1,b%3D2"
    assert second == first + "&continue=more"


async def test_an_apply_over_what_was_read_names_it_and_is_forced(
    server: Server, kube: OfficialKube
) -> None:
    server.says(200, {"done": True})
    assert await kube.apply(HTTP_ROUTES, MANIFEST, over=SEEN) == {"done": True}
    ((verb, path, kind, body),) = server.requests
    expected = {**MANIFEST, "metadata": {**MANIFEST["metadata"], **SEEN["metadata"]}}
    assert (verb, kind, body) == ("PATCH", "application/apply-patch+yaml", expected)
    assert path == (
        "/apis/gateway.networking.k8s.io/v1/namespaces/team/httproutes/movies"
        "?fieldManager=recommender-operator&fieldValidation=Ignore&force=true"
    )


async def test_what_must_not_exist_yet_is_not_forced(server: Server, kube: OfficialKube) -> None:
    server.says(201, {"done": True})
    await kube.apply(HTTP_ROUTES, MANIFEST, over=None)
    ((_, path, _, body),) = server.requests
    assert path.endswith("?fieldManager=recommender-operator&fieldValidation=Ignore")
    unborn = {**MANIFEST["metadata"], "resourceVersion": "1"}
    assert body == {**MANIFEST, "metadata": unborn}


async def test_a_status_is_written_to_the_subresource_by_a_separate_manager(
    server: Server, kube: OfficialKube
) -> None:
    server.says(200)
    assert await kube.apply_status(MODELS, MANIFEST) == {}
    assert "/recommendermodels/movies/status?" in server.requests[0][1]
    assert "fieldManager=recommender-operator-status" in server.requests[0][1]
    server.says(404, failure(404, "NotFound"))
    assert await kube.apply_status(MODELS, MANIFEST) is None


async def test_a_patch_is_a_merge_patch(server: Server, kube: OfficialKube) -> None:
    server.says(200, {"data": {}})
    assert await kube.patch(EVENTS, "team", "x", {"data": {"a": None}}) == {"data": {}}
    ((_, _, kind, body),) = server.requests
    assert (kind, body) == ("application/merge-patch+json", {"data": {"a": None}})


async def test_no_write_asks_for_warnings_about_its_fields(
    server: Server, kube: OfficialKube
) -> None:
    for _ in range(5):
        server.says(200, {"done": True})
    await kube.create(MODELS, MANIFEST)
    await kube.apply(MODELS, MANIFEST, over=None)
    await kube.apply(MODELS, MANIFEST, over=SEEN)
    await kube.apply_status(MODELS, MANIFEST)
    await kube.patch(MODELS, "team", "movies", {})
    assert all("fieldValidation=Ignore" in path for _, path, _, _ in server.requests)


async def test_creating_an_existing_object_is_reported_and_not_retried(
    server: Server, kube: OfficialKube
) -> None:
    server.says(201, {"done": True})
    server.says(409, failure(409, "AlreadyExists"))
    assert await kube.create(MODELS, MANIFEST) == {"done": True}
    assert await kube.create(MODELS, MANIFEST) is None
    assert len(server.requests) == 2


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_temporary_errors_are_retried(
    server: Server, kube: OfficialKube, status: int
) -> None:
    server.says(status, failure(status, "Busy"))
    server.says(status, b"not even JSON")
    server.says(200, {"done": True})
    assert await kube.apply(MODELS, MANIFEST, over=SEEN) == {"done": True}


async def test_a_conflict_is_reported_at_once_and_not_retried(
    server: Server, kube: OfficialKube
) -> None:
    server.says(409, failure(409, "Conflict", "the object has been modified"))
    with pytest.raises(ConflictError, match="has been modified"):
        await kube.apply(MODELS, MANIFEST, over=SEEN)
    server.says(409, failure(409, "Conflict", "the object has been modified"))
    with pytest.raises(ConflictError):
        await kube.apply_status(MODELS, MANIFEST)
    assert len(server.requests) == 2


async def test_retries_end_with_the_servers_message(server: Server, kube: OfficialKube) -> None:
    for _ in range(3):
        server.says(503, failure(503, "Busy", "come back"))
    with pytest.raises(KubeError, match="503 come back") as caught:
        await kube.get(MODELS, "team", "movies")
    assert (caught.value.status, caught.value.reason) == (503, "Busy")


@pytest.mark.parametrize("status", [400, 401, 403, 422])
async def test_a_rejection_is_not_retried(server: Server, kube: OfficialKube, status: int) -> None:
    server.says(status, failure(status, "No", "spec.x: too long"))
    with pytest.raises(KubeError, match="too long"):
        await kube.apply(MODELS, MANIFEST, over=SEEN)
    assert len(server.requests) == 1


async def test_a_lost_connection_is_retried_and_then_reported(kube: OfficialKube) -> None:
    seen: list[int] = []
    kube._observe = lambda _verb, _kind, status, _seconds: seen.append(status)
    (await kube._transport._connected()).configuration.host = "http://127.0.0.1:9"
    with pytest.raises(KubeError) as caught:
        await kube.get(MODELS, "team", "movies")
    assert caught.value.status == 0
    assert seen == [0, 0, 0]


async def test_deleting_a_missing_object_succeeds(server: Server, kube: OfficialKube) -> None:
    server.says(200)
    server.says(404, failure(404, "NotFound"))
    assert await kube.delete(MODELS, "team", "movies", uid="u-1")
    assert not await kube.delete(MODELS, "team", "movies", uid="u-1")
    assert server.requests[0][3] == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "u-1"},
        "propagationPolicy": "Background",
    }


async def test_another_object_of_the_name_is_not_deleted(
    server: Server, kube: OfficialKube
) -> None:
    server.says(409, failure(409, "Conflict", "the UID in the precondition differs"))
    assert not await kube.delete(MODELS, "team", "movies", uid="u-1")
    assert len(server.requests) == 1


async def test_a_log_is_bounded_and_its_absence_is_not_an_error(
    server: Server, kube: OfficialKube
) -> None:
    server.says(200, b"caf\xe9\nlast")
    assert await kube.log("team", "p", "main", 20) == "caf\ufffd\nlast"
    assert "tailLines=20&limitBytes=16384" in server.requests[0][1]
    server.says(400, failure(400, "BadRequest"))
    assert await kube.log("team", "p", "main", 20) == ""


async def test_kinds_are_found_by_discovery(server: Server, kube: OfficialKube) -> None:
    server.says(200, {"resources": [{"name": "httproutes"}, {"name": "httproutes/status"}]})
    server.says(200, {"resources": [{"name": "grpcroutes"}]})
    server.says(404, failure(404, "NotFound"))
    assert [await kube.serves(HTTP_ROUTES) for _ in range(3)] == [True, False, False]


async def test_a_write_whose_answer_was_lost_is_repeated_and_its_precondition_tells(
    server: Server, kube: OfficialKube
) -> None:
    """If the first attempt was applied, the second meets another resourceVersion."""
    server.says(504, b"the answer was lost")
    server.says(409, failure(409, "Conflict", "the object has been modified"))
    with pytest.raises(ConflictError):
        await kube.apply(HTTP_ROUTES, MANIFEST, over=SEEN)
    first, second = server.requests
    assert first == second
    server.says(504, b"the answer was lost")
    server.says(409, failure(409, "AlreadyExists"))
    assert await kube.create(MODELS, MANIFEST) is None


async def test_a_process_that_no_longer_leads_sends_no_write_and_no_retry(
    server: Server, kube: OfficialKube
) -> None:
    leads = True

    def fence() -> None:
        if not leads:
            raise NotLeaderError("another one leads")

    def lose(*_: object) -> None:
        nonlocal leads
        leads = False

    kube._fence, kube._observe = fence, lose
    server.says(503, failure(503, "Busy"))
    with pytest.raises(NotLeaderError):
        await kube.apply(HTTP_ROUTES, MANIFEST, over=SEEN)
    assert len(server.requests) == 1
    for write in (
        kube.apply(HTTP_ROUTES, MANIFEST, over=None),
        kube.apply_status(MODELS, MANIFEST),
        kube.create(MODELS, MANIFEST),
        kube.patch(MODELS, "team", "movies", {}),
        kube.delete(MODELS, "team", "movies", uid="u-1"),
    ):
        with pytest.raises(NotLeaderError):
            await write
    assert len(server.requests) == 1
    server.says(200, {"items": []})
    assert await kube.list(MODELS, "team", {}) == []
