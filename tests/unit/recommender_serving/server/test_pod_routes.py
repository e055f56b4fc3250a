"""What only those get who ask the pod itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recommender_contract.artifact import MANIFEST
from recommender_contract.artifact import REPORT_PAGE as REPORT
from recommender_serving.artifact.published_report import PublishedReport
from tests.unit.recommender_serving import serving_samples as samples
from tests.unit.recommender_serving.serving_served import Served

PAGE = b"<script>alert(1)</script>"


@pytest.fixture
async def reporting(tmp_path: Path) -> AsyncIterator[tuple[Served, PublishedReport]]:
    """A transformer whose artifact has a report."""
    (tmp_path / REPORT).write_bytes(PAGE)
    report = samples.sample_artifact(tmp_path).report
    assert report is not None
    served = await Served.opened(tmp_path)
    async with served.http:
        yield served, report


async def test_the_files_of_the_report_are_bytes_and_no_page(
    reporting: tuple[Served, PublishedReport],
) -> None:
    served, report = reporting
    answer = await served.http.get(f"/artifacts/{report.digest}/{REPORT}")
    assert (answer.status_code, answer.content) == (200, PAGE)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["x-content-type-options"] == "nosniff"
    answer = await served.http.get(f"/artifacts/{report.digest}/{MANIFEST}")
    assert (answer.status_code, answer.content) == (200, report.files[MANIFEST])


async def test_whoever_does_not_know_the_digest_gets_nothing(
    reporting: tuple[Served, PublishedReport],
) -> None:
    served, report = reporting
    digest = report.digest
    for path in (
        f"/artifacts/{'0' * 64}/{REPORT}",
        f"/artifacts/sha256:{digest}/{REPORT}",
        f"/artifacts/{digest}/",
        f"/artifacts/{digest}",
        f"/artifacts/{digest}/vocabulary.json",
        f"/artifacts/{digest}/..%2f{REPORT}",
        f"/artifacts/{digest}/%2e%2e/{REPORT}",
        f"/artifacts/{REPORT}",
    ):
        assert (await served.http.get(path)).status_code == 404, path


@pytest.mark.parametrize("header", ["x-forwarded-for", "Forwarded", "via", "K-Proxy-Request"])
async def test_the_report_is_for_those_who_ask_the_pod_itself(
    reporting: tuple[Served, PublishedReport], header: str
) -> None:
    served, report = reporting
    path = f"/artifacts/{report.digest}/{REPORT}"
    answer = await served.http.get(path, headers={header: "10.0.0.7"})
    assert (answer.status_code, PAGE in answer.content) == (404, False)
