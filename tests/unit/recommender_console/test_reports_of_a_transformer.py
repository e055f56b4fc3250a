"""The console gets the report of an artifact from the transformer that serves it."""

from __future__ import annotations

from pathlib import Path

import pytest

from recommender_console import report_pods
from recommender_console.report_digest import NoReportError
from recommender_console.report_pods import Reports
from recommender_contract.artifact import REPORT_PAGE
from recommender_operator.resources import serving_containers
from recommender_runtime.connections import Connections
from recommender_serving.artifact.loader import load
from recommender_training.artifact import manifest
from tests.unit.recommender_console.console_fakes import VIEWER, FakeCluster
from tests.unit.recommender_console.test_reports import PAGE, version
from tests.unit.recommender_serving import serving_samples
from tests.unit.recommender_serving.serving_fakes import GOOD, PLAIN, Parts, giving
from tests.unit.recommender_serving.serving_served import Served
from tests.unit.recommender_serving.serving_sockets import running


async def got(folder: Path, digest: str) -> bytes:
    """What the console gets of this version from the server of the artifact in a folder."""
    parts = Parts(folder, giving(GOOD), giving(PLAIN), artifact=load(folder))
    served, cluster = await Served.opened(folder, parts), FakeCluster()
    cluster.pods = ("127.0.0.1",)
    async with served.http, running(served, Connections()) as site:
        found = Reports(cluster, site.port)
        try:
            return await found.find(VIEWER, "team-a", version(digest))
        finally:
            await found.close()


async def test_the_console_shows_what_training_sealed_and_the_transformer_gives(
    tmp_path: Path,
) -> None:
    serving_samples.write_files(tmp_path)
    (tmp_path / REPORT_PAGE).write_bytes(PAGE)
    digest = manifest.write_manifest(tmp_path, {})
    assert await got(tmp_path, digest) == PAGE


async def test_a_transformer_of_another_artifact_has_not_the_report_of_the_version(
    tmp_path: Path,
) -> None:
    serving_samples.write_files(tmp_path)
    (tmp_path / REPORT_PAGE).write_bytes(PAGE)
    manifest.write_manifest(tmp_path, {})
    with pytest.raises(NoReportError, match="status 404"):
        await got(tmp_path, f"sha256:{'0' * 64}")


def test_the_console_asks_the_port_of_the_transformer() -> None:
    assert report_pods.PORT == serving_containers.HTTP_PORT
