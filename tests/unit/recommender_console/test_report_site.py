"""The report of a version on the site: who gets it, and what it can do in a browser."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from aiohttp import DummyCookieJar
from aiohttp.test_utils import TestClient, TestServer

from recommender_console.site import app
from recommender_console.site.connection_limits import Guard
from recommender_console.site.headers import HEADERS
from tests.unit.recommender_console.console_fakes import EDITOR, VIEWER, FakeCluster
from tests.unit.recommender_console.samples import CANDIDATE
from tests.unit.recommender_console.test_reports import ARTIFACT, PAGE, Pod
from tests.unit.recommender_console.test_site import MODEL, Browser

REPORT = f"{MODEL}/versions/{CANDIDATE}/report"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    cluster, pod = FakeCluster(), Pod()
    cluster.pods = ("127.0.0.1",)
    cluster.candidate = {"artifact": {"path": "artifacts/a", "digest": f"sha256:{ARTIFACT}"}}
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(pod.served())
        site = app.make(cluster, ("team-a",), Guard(), port)
        client = TestClient(TestServer(site), cookie_jar=DummyCookieJar())
        yield Browser(await stack.enter_async_context(client), cluster)


async def test_the_page_of_a_version_leads_to_its_report(browser: Browser) -> None:
    await browser.sign_in(VIEWER)
    page = await (await browser.get(f"{MODEL}/versions/{CANDIDATE}")).text()
    assert f'href="{REPORT}"' in page
    page = await (await browser.get(REPORT)).text()
    assert f'src="{REPORT}.html"' in page
    assert "There, a link in the report can lead to another site." in page
    answer = await browser.get(f"{REPORT}.html")
    assert (answer.status, await answer.read()) == (200, PAGE)
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_a_report_has_no_origin_runs_nothing_and_loads_nothing(browser: Browser) -> None:
    await browser.sign_in(VIEWER)
    page = await browser.get(REPORT)
    policy = page.headers["Content-Security-Policy"]
    assert policy == HEADERS["Content-Security-Policy"] + "; frame-src 'self'"
    assert 'sandbox=""' in await page.text()
    report = await browser.get(f"{REPORT}.html")
    rules = dict(
        rule.strip().partition(" ")[::2]
        for rule in report.headers["Content-Security-Policy"].split(";")
    )
    assert rules == {
        "sandbox": "", "default-src": "'none'", "style-src": "'unsafe-inline'",
        "form-action": "'none'", "base-uri": "'none'", "frame-ancestors": "'self'",
    }  # fmt: skip
    own = {"Content-Security-Policy", "X-Frame-Options", "Cross-Origin-Opener-Policy"}
    for name in HEADERS.keys() - own:
        assert report.headers[name] == HEADERS[name]


async def test_who_may_not_read_the_version_gets_no_report_also_of_those_that_are_kept(
    browser: Browser,
) -> None:
    for path in (REPORT, f"{REPORT}.html"):
        assert (await browser.get(path)).status == 303
        assert (await browser.get(path, Authorization=f"Bearer {EDITOR}")).status == 200
        answer = await browser.get(path, Authorization="Bearer unknown")
        assert (answer.status, PAGE in await answer.read()) == (401, False)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"{MODEL}/versions/movies-nothere/report", 404),
        (f"{MODEL}/versions/movies-nothere/report.html", 404),
        (f"{MODEL}/versions/..%2f..%2fsecrets/report", 404),
        (f"{REPORT}.html/..", 404),
        (f"{REPORT}.json", 404),
        (f"/models/team-a/books/versions/{CANDIDATE}/report", 404),
    ],
)
async def test_a_path_of_no_version_has_no_report(
    browser: Browser, path: str, status: int
) -> None:
    await browser.sign_in(VIEWER)
    assert (await browser.get(path)).status == status


async def test_a_report_that_is_not_there_has_a_page_with_the_reason_and_the_remedy(
    browser: Browser,
) -> None:
    browser.cluster.pods = ()
    await browser.sign_in(VIEWER)
    answer = await browser.get(REPORT)
    page = await answer.text()
    assert (answer.status, "<iframe" in page) == (404, False)
    assert "No pod of this version is ready" in page
    assert "Next: " in page
    assert "<code>artifacts/a</code>" in page
    assert (await browser.get(f"{REPORT}.html")).status == 404


async def test_of_a_version_that_failed_its_gates_the_page_names_the_staged_folder(
    browser: Browser,
) -> None:
    browser.cluster.candidate = {"artifact": None, "staged": {"path": "staging/movies/v-1"}}
    await browser.sign_in(VIEWER)
    answer = await browser.get(REPORT)
    page = await answer.text()
    assert answer.status == 404
    assert "no published artifact" in page
    assert "<code>staging/movies/v-1</code>" in page
