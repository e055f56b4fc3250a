"""A console before a cluster in memory, in which a pod has the report of the candidate."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass

from aiohttp import web

from recommender_console.site import app
from recommender_console.site.connection_limits import Guard
from recommender_contract.artifact import MANIFEST
from tests.integration.threaded import in_thread
from tests.unit.recommender_console.console_fakes import VIEWER, FakeCluster
from tests.unit.recommender_console.samples import CANDIDATE
from tests.unit.recommender_console.test_reports import Pod


@dataclass(frozen=True)
class Console:
    """Its URL, the token of a viewer, and the path of the candidate's page."""

    url: str
    token: str = VIEWER
    version: str = f"/models/team-a/movies/versions/{CANDIDATE}"


@contextlib.contextmanager
def console(files: Mapping[str, bytes]) -> Iterator[Console]:
    """Run a console; `files` are the manifest and the report of the candidate."""
    pod = Pod(dict(files), hashlib.sha256(files[MANIFEST]).hexdigest())
    cluster = FakeCluster()
    cluster.pods = ("127.0.0.1",)
    digest = f"sha256:{pod.artifact}"
    cluster.candidate = {"artifact": {"path": "artifacts/movies/1", "digest": digest}}

    @contextlib.asynccontextmanager
    async def served() -> AsyncIterator[int]:
        async with pod.served() as port:
            runner = web.AppRunner(app.make(cluster, ("team-a",), Guard(), port))
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                yield runner.addresses[0][1]
            finally:
                await runner.cleanup()

    with in_thread(served) as url:
        yield Console(url)
