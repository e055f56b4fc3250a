"""Only the report that a version records is shown, got from its pods in bounded time."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from recommender_console import object_details, report_pods
from recommender_console import report_digest as reports
from recommender_console.cluster import ClusterError
from recommender_console.object_details import SeenVersion
from recommender_console.report_digest import NoReportError
from recommender_console.report_pods import Reports
from recommender_contract.artifact import MANIFEST
from recommender_contract.artifact import REPORT_PAGE as REPORT
from tests.unit.recommender_console import samples
from tests.unit.recommender_console.console_fakes import VIEWER, FakeCluster

PAGE = b"<!doctype html><title>Recommender evaluation</title>"


def sealed(page: bytes = PAGE) -> bytes:
    """Return the manifest of an artifact with a report."""
    entries = [{"path": "a", "sha256": "0"}, {"path": REPORT, "sha256": _sha(page), "bytes": 1}]
    return json.dumps({"files": entries}).encode()


def _sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


ARTIFACT = _sha(sealed())


def test_a_report_that_the_manifest_lists_is_the_versions() -> None:
    reports.check_digest(reports.listed(ARTIFACT, sealed()), PAGE)


@pytest.mark.parametrize(
    "manifest",
    [b"", b"{}", b"[]", b"null", b'{"files": 1}', b'{"files": [1]}', b'{"files": [{}]}', b"\xff",
     b'{"files": [{"path": "report.html"}]}', b"[" * 100_000],
)  # fmt: skip
def test_a_manifest_that_does_not_list_it_is_no_proof(manifest: bytes) -> None:
    with pytest.raises(NoReportError, match=r"report\.html is not the file that was published"):
        reports.listed(_sha(manifest), manifest)


def test_other_bytes_than_the_published_ones_are_refused() -> None:
    with pytest.raises(NoReportError, match=r"manifest\.json is not the file"):
        reports.listed(ARTIFACT, sealed(b"other"))
    with pytest.raises(NoReportError, match=r"report\.html is not the file"):
        reports.check_digest(reports.listed(ARTIFACT, sealed()), PAGE + b" ")


@pytest.mark.parametrize(
    "digest",
    ["", ARTIFACT, f"sha256:{ARTIFACT}0", f"sha256:{ARTIFACT[1:]}/", f"sha256:{'A' * 64}"],
)
def test_a_version_without_a_digest_has_no_report_and_the_page_says_where_it_may_be(
    digest: str,
) -> None:
    with pytest.raises(NoReportError) as caught:
        reports.digits(digest)
    assert caught.value.status == 404
    assert "folder below" in caught.value.remedy


@dataclass
class Pod:
    """What a pod answers to each file: content, or what it does."""

    files: dict[str, bytes] = field(default_factory=lambda: {MANIFEST: sealed(), REPORT: PAGE})
    artifact: str = ARTIFACT
    act: Callable[[], Any] | None = None
    asked: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        if self.act is not None:
            await self.act()
        digest, name = request.match_info["digest"], request.match_info["name"]
        if digest != self.artifact or name not in self.files:
            raise web.HTTPNotFound
        return web.Response(body=self.files[name])

    @contextlib.asynccontextmanager
    async def served(self) -> AsyncIterator[int]:
        """Listen; yields the port."""
        app = web.Application()
        app.add_routes([web.get("/artifacts/{digest}/{name}", self.answer)])
        async with TestServer(app) as server:
            yield server.port or 0


@dataclass
class World:
    pod: Pod
    cluster: FakeCluster
    reports: Reports

    async def find(self, namespace: str = "team-a", visitor: str = VIEWER) -> bytes:
        return await self.reports.find(visitor, namespace, version(f"sha256:{ARTIFACT}"))


def version(digest: str) -> SeenVersion:
    body = samples.versions()[-1]
    body["status"]["artifact"] = {"path": "artifacts/movies/1", "digest": digest}
    return object_details.read_version(body)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    pod, cluster = Pod(), FakeCluster()
    cluster.pods = ("127.0.0.1",)
    cluster.known |= {f"visitor-{n}": f"visitor-{n}" for n in range(6)}
    async with pod.served() as port:
        found = Reports(cluster, port)
        yield World(pod, cluster, found)
        await found.close()


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files for which a pod was to be asked: the time of each begins here."""
    names, real = [], Reports._file

    async def counted(self: Reports, address: str, artifact: str, name: str) -> bytes:
        names.append(name)
        return await real(self, address, artifact, name)

    monkeypatch.setattr(Reports, "_file", counted)
    return names


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


async def refusal(world: World, status: int, *words: str) -> None:
    with pytest.raises(NoReportError) as caught:
        await world.find()
    assert caught.value.status == status
    assert caught.value.remedy
    for word in words:
        assert word in caught.value.why + caught.value.remedy


async def test_a_pod_is_asked_once_and_without_the_visitors_token(world: World) -> None:
    assert await world.find() == PAGE
    assert await world.find() == PAGE
    assert [request.path for request in world.pod.asked] == [
        f"/artifacts/{ARTIFACT}/{MANIFEST}", f"/artifacts/{ARTIFACT}/{REPORT}",
    ]  # fmt: skip
    for request in world.pod.asked:
        assert not {"Authorization", "Cookie"} & set(request.headers)


async def test_what_another_pod_says_is_not_shown_and_the_next_one_is_asked(world: World) -> None:
    world.pod.files = {MANIFEST: sealed(b"forged"), REPORT: b"forged"}
    await refusal(world, 502, "not the file that was published")
    world.pod.files = {MANIFEST: sealed(), REPORT: b"forged"}
    await refusal(world, 502, "report.html")
    world.pod.asked.clear()

    async def mend() -> None:
        if len(world.pod.asked) > 2:
            world.pod.files = {MANIFEST: sealed(), REPORT: PAGE}

    world.pod.act = mend
    world.cluster.pods = ("127.0.0.1", "127.0.0.1")
    assert await world.find() == PAGE
    assert len(world.pod.asked) == 4


async def test_no_report_is_read_from_a_pod_whose_manifest_is_not_the_versions(
    world: World,
) -> None:
    world.pod.files = {MANIFEST: sealed(b"forged"), REPORT: b"forged"}
    await refusal(world, 502, "manifest.json is not the file")
    assert [request.match_info["name"] for request in world.pod.asked] == [MANIFEST]


async def test_two_reports_are_got_at_a_time_and_the_time_of_the_others_has_not_begun(
    world: World, started: list[str]
) -> None:
    hold = asyncio.Event()
    world.pod.act = hold.wait
    finding = [asyncio.create_task(world.find(f"team-{n}", f"visitor-{n}")) for n in range(6)]
    await until(lambda: len(world.pod.asked) >= report_pods.FETCHES)
    assert len(started) == report_pods.FETCHES == 2
    hold.set()
    assert await asyncio.gather(*finding) == [PAGE] * 6
    # The others found it kept when their turn came.
    assert len(started) == 2 * report_pods.FETCHES


async def test_slow_pods_of_one_namespace_do_not_keep_the_others_waiting(
    world: World, started: list[str]
) -> None:
    hold = asyncio.Event()
    world.pod.act = hold.wait
    finding = [asyncio.create_task(world.find()) for _ in range(6)]
    await until(lambda: bool(world.pod.asked))
    assert len(started) == 1
    world.pod.act = None
    assert await world.find("team-b", "visitor-0") == PAGE
    assert not any(task.done() for task in finding)
    hold.set()
    assert await asyncio.gather(*finding) == [PAGE] * 6
    assert not world.reports._turns


async def test_a_visitor_with_slow_pods_in_many_namespaces_keeps_nobody_else_waiting(
    world: World, started: list[str]
) -> None:
    hold = asyncio.Event()
    world.pod.act = hold.wait
    finding = [asyncio.create_task(world.find(f"team-{n}")) for n in range(6)]
    await until(lambda: bool(world.pod.asked))
    assert len(started) == 1
    world.pod.act = None
    assert await world.find("team-b", "visitor-0") == PAGE
    assert not any(task.done() for task in finding)
    hold.set()
    assert await asyncio.gather(*finding) == [PAGE] * 6


async def test_a_pod_without_a_report_is_told_from_one_that_cannot_be_reached(
    world: World,
) -> None:
    world.pod.files = {}
    await refusal(world, 404, "status 404", "Retrain")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        world.reports._port = closed.getsockname()[1]
        await refusal(world, 502, "NetworkPolicy", "8080")


async def test_without_a_ready_pod_the_page_says_who_has_some_and_where_the_report_is(
    world: World,
) -> None:
    world.cluster.pods = ()
    await refusal(world, 404, "No pod of this version is ready", "wait until", "folder below")


async def test_a_visitor_who_may_not_list_pods_is_told_which_right_is_missing(
    world: World,
) -> None:
    world.cluster.errors = [ClusterError(403, "pods is forbidden")]
    await refusal(world, 403, "list pods")
    world.cluster.errors = [ClusterError(504, "no answer")]
    with pytest.raises(ClusterError):
        await world.find()


async def test_a_pod_that_does_not_answer_or_never_ends_costs_bounded_time_and_memory(
    world: World, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_pods, "MAX_PUBLISHED_BYTES", 1000)
    world.pod.files = {MANIFEST: b"x" * 1001}
    await refusal(world, 502, "more than 1000 bytes")
    monkeypatch.setattr(report_pods, "TIMEOUT", 0.05)
    slow = Reports(world.cluster, world.reports._port)
    world.pod.act = asyncio.Event().wait
    world.cluster.pods = ("127.0.0.1",) * 20
    started.clear()
    await refusal(World(world.pod, world.cluster, slow), 502, "no answer")
    # On a busy machine the time may end before the pod has the request.
    assert len(started) == report_pods.TRIES
    await slow.close()


async def test_a_redirect_is_not_followed(world: World) -> None:
    async def elsewhere() -> None:
        raise web.HTTPFound("http://127.0.0.1:1/secrets")

    world.pod.act = elsewhere
    await refusal(world, 404, "status 302")


async def test_only_the_last_reports_are_kept(world: World) -> None:
    for n in range(report_pods.KEPT + 3):
        world.reports._kept[str(n)] = b""
    assert await world.find() == PAGE
    assert len(world.reports._kept) == report_pods.KEPT
    assert ARTIFACT in world.reports._kept
