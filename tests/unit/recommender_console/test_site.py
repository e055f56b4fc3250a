"""The edge of the console: who gets in, what is answered, and with which headers."""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie

import pytest
from aiohttp import ClientResponse, DummyCookieJar, web
from aiohttp.test_utils import TestClient, TestServer

from recommender_console.cluster import ClusterError
from recommender_console.site import app
from recommender_console.site.connection_limits import Guard
from recommender_console.site.headers import HEADERS
from recommender_console.site.visitors import COOKIE
from tests.unit.recommender_console.console_fakes import EDITOR, VIEWER, FakeCluster

MODEL = "/models/team-a/movies"
OWN = {"Sec-Fetch-Site": "same-origin"}


class Browser:
    """A client that follows no redirect and keeps the cookie, as a browser does over TLS."""

    def __init__(
        self, client: TestClient[web.Request, web.Application], cluster: FakeCluster
    ) -> None:
        self._client = client
        self.cluster = cluster
        self.cookie = ""

    async def get(self, path: str, **headers: str) -> ClientResponse:
        return await self._send("GET", path, None, headers)

    async def post(self, path: str, form: dict[str, str], **headers: str) -> ClientResponse:
        return await self._send("POST", path, form, {**OWN, **headers})

    async def sign_in(self, token: str) -> ClientResponse:
        answer = await self.post("/login", {"token": token, "next": MODEL})
        cookies: SimpleCookie = SimpleCookie(answer.headers.get("Set-Cookie", ""))
        self.cookie = cookies[COOKIE].value if COOKIE in cookies else ""
        return answer

    async def confirmed(self, verb: str, **headers: str) -> dict[str, str]:
        """Return the fields of a confirmation."""
        page = await (await self.get(f"{MODEL}/actions/{verb}", **headers)).text()
        form = page[page.index('class="confirm"') - 400 :]
        return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))

    async def _send(
        self, verb: str, path: str, form: dict[str, str] | None, headers: dict[str, str]
    ) -> ClientResponse:
        if self.cookie:
            headers = {**headers, "Cookie": f"{COOKIE}={self.cookie}"}
        return await self._client.request(
            verb, path, data=form, headers=headers, allow_redirects=False
        )


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    cluster = FakeCluster()
    site = app.make(cluster, ("team-a",), Guard())
    async with TestClient(TestServer(site), cookie_jar=DummyCookieJar()) as client:
        yield Browser(client, cluster)


async def test_without_a_token_every_page_leads_to_the_login(browser: Browser) -> None:
    for path in ("/", MODEL, f"{MODEL}/actions/promote", f"{MODEL}/versions/x"):
        answer = await browser.get(path)
        assert answer.status == 303
        assert answer.headers["Location"].startswith("/login")
    form = await (await browser.get(f"/login?next={MODEL}")).text()
    assert f'name="next" value="{MODEL}"' in form


async def test_a_session_is_a_cookie_that_scripts_and_other_sites_do_not_get(
    browser: Browser,
) -> None:
    answer = await browser.sign_in(VIEWER)
    assert (answer.status, answer.headers["Location"]) == (303, MODEL)
    given = answer.headers["Set-Cookie"]
    for part in ("__Host-", "HttpOnly", "Secure", "SameSite=Strict", "Path=/"):
        assert part in given
    assert "Domain" not in given
    assert VIEWER not in given
    assert "movies" in await (await browser.get(MODEL)).text()


@pytest.mark.parametrize("token", ["unknown", "", "two words", "a\r\nX-Evil: 1", "é"])
async def test_a_token_that_the_cluster_does_not_know_opens_nothing(
    browser: Browser, token: str
) -> None:
    answer = await browser.sign_in(token)
    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers
    page = await answer.text()
    assert "does not accept this token" in page
    assert 'type="password"' in page
    assert not token or f'value="{token}"' not in page


async def test_a_session_ends_with_the_sign_out(browser: Browser) -> None:
    await browser.sign_in(VIEWER)
    answer = await browser.post("/logout", {})
    assert answer.headers["Location"] == "/login"
    assert (await browser.get("/")).status == 303


async def test_a_new_session_ends_the_one_that_the_browser_had(browser: Browser) -> None:
    await browser.sign_in(VIEWER)
    before = browser.cookie
    await browser.sign_in(EDITOR)
    assert before != browser.cookie
    browser.cookie = before
    assert (await browser.get("/")).status == 303


async def test_a_session_ends_when_the_cluster_does_not_know_its_token_any_more(
    browser: Browser,
) -> None:
    await browser.sign_in(VIEWER)
    browser.cluster.known.clear()
    assert (await browser.get(MODEL)).status == 303
    browser.cluster.known[VIEWER] = "viewer"
    assert (await browser.get(MODEL)).status == 303


async def test_the_token_of_a_proxy_counts_for_its_request_alone(browser: Browser) -> None:
    answer = await browser.get(MODEL, Authorization=f"Bearer {VIEWER}")
    page = await answer.text()
    assert answer.status == 200
    assert "viewer" in page
    assert "Sign out" not in page
    assert "Set-Cookie" not in answer.headers
    assert (await browser.get(MODEL)).status == 303
    assert (await browser.get(MODEL, Authorization="Bearer unknown")).status == 401


async def test_the_viewer_sees_no_action_and_the_editor_does(browser: Browser) -> None:
    await browser.sign_in(VIEWER)
    assert "/actions/" not in await (await browser.get(MODEL)).text()
    await browser.sign_in(EDITOR)
    assert "/actions/promote" in await (await browser.get(MODEL)).text()


async def test_an_action_is_done_after_its_confirmation(browser: Browser) -> None:
    await browser.sign_in(EDITOR)
    fields = await browser.confirmed("promote")
    answer = await browser.post(f"{MODEL}/actions/promote", fields)
    assert answer.status == 303
    assert answer.headers["Location"].startswith(f"{MODEL}?asked=promote~console-")
    (patch,) = browser.cluster.patches
    assert patch["metadata"]["resourceVersion"] == "4711"
    (annotation,) = patch["metadata"]["annotations"]
    assert annotation == "recommender.dev/promote"
    page = await (await browser.get(answer.headers["Location"])).text()
    assert "promote: requested. The operator has not answered yet." in page


async def test_the_answer_of_the_operator_is_shown(browser: Browser) -> None:
    await browser.sign_in(EDITOR)
    browser.cluster.body["status"]["handled"] = [
        {"action": "abort", "token": "console-1", "result": "Refused: too late"}
    ]
    page = await (await browser.get(f"{MODEL}?asked=abort~console-1")).text()
    assert "abort: Refused: too late" in page
    hostile = await (await browser.get(f"{MODEL}?asked=<b>~x")).text()
    assert 'class="notice"' not in hostile


@pytest.mark.parametrize(
    ("change", "headers"),
    [
        ({"ticket": ""}, {}),
        ({"ticket": "0" * 64}, {}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
        ({}, {"Sec-Fetch-Site": "same-site"}),
    ],
)
async def test_a_form_that_is_not_of_the_visitors_own_page_does_nothing(
    browser: Browser, change: dict[str, str], headers: dict[str, str]
) -> None:
    await browser.sign_in(EDITOR)
    fields = {**await browser.confirmed("abort"), **change}
    answer = await browser.post(f"{MODEL}/actions/abort", fields, **headers)
    assert answer.status == 403
    assert browser.cluster.patches == []


async def test_the_ticket_of_another_session_does_nothing(browser: Browser) -> None:
    await browser.sign_in(EDITOR)
    fields = await browser.confirmed("abort")
    await browser.sign_in(EDITOR)
    answer = await browser.post(f"{MODEL}/actions/abort", fields)
    assert answer.status == 403
    assert browser.cluster.patches == []


async def test_a_login_or_logout_of_another_site_does_nothing(browser: Browser) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    answer = await browser.post("/login", {"token": EDITOR}, **foreign)
    assert answer.status == 403
    assert "Set-Cookie" not in answer.headers
    await browser.sign_in(VIEWER)
    assert (await browser.post("/logout", {}, **foreign)).status == 403
    assert (await browser.get("/")).status == 200


async def test_a_model_that_changed_since_is_confirmed_again(browser: Browser) -> None:
    await browser.sign_in(EDITOR)
    fields = await browser.confirmed("pause")
    browser.cluster.body["status"]["champion"] = "movies-0a0a0a0a"
    answer = await browser.post(f"{MODEL}/actions/pause", fields)
    assert answer.status == 409
    assert "The model has changed since you looked at it." in await answer.text()
    assert browser.cluster.patches == []


async def test_a_write_of_the_status_in_between_is_no_change(browser: Browser) -> None:
    await browser.sign_in(EDITOR)
    fields = await browser.confirmed("pause")
    browser.cluster.body["metadata"]["resourceVersion"] = "4712"
    assert (await browser.post(f"{MODEL}/actions/pause", fields)).status == 303
    assert browser.cluster.patches[0]["metadata"]["resourceVersion"] == "4712"


async def test_what_makes_no_sense_any_more_is_refused_with_the_reason(browser: Browser) -> None:
    await browser.sign_in(EDITOR)
    fields = await browser.confirmed("abort")
    browser.cluster.body["status"]["candidate"] = None
    answer = await browser.post(f"{MODEL}/actions/abort", fields)
    assert answer.status == 409
    assert "there is no candidate" in await answer.text()


async def test_the_cluster_decides_also_if_the_page_showed_an_action(browser: Browser) -> None:
    await browser.sign_in(VIEWER)
    fields = await browser.confirmed("pause")
    answer = await browser.post(f"{MODEL}/actions/pause", fields)
    assert answer.status == 403
    assert "cannot patch recommendermodels" in await answer.text()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/models/team-a/books", 404),
        ("/models/team-a/movies/versions/movies-x", 404),
        ("/models/team-a/movies/actions/delete", 404),
        ("/models/Team/movies", 404),
        ("/models/team-a/..%2f..%2fsecrets", 404),
        ("/models/team-a/movies%3fx", 404),
        ("/?namespace=No%20Way", 400),
        ("/elsewhere", 404),
    ],
)
async def test_a_path_that_leads_nowhere_has_a_page(
    browser: Browser, path: str, status: int
) -> None:
    await browser.sign_in(VIEWER)
    answer = await browser.get(path)
    assert answer.status == status
    assert "<h1>" in await answer.text()


async def test_namespaces_that_the_visitor_may_not_list_are_named(browser: Browser) -> None:
    await browser.sign_in(VIEWER)
    assert "movies" in await (await browser.get("/")).text()
    page = await (await browser.get("/?namespace=shop")).text()
    assert "You may not list the models of the namespace shop." in page


@pytest.mark.parametrize(("upstream", "status"), [(504, 504), (502, 502), (500, 502), (403, 403)])
async def test_an_api_server_that_does_not_answer_is_a_page(
    browser: Browser, upstream: int, status: int
) -> None:
    await browser.sign_in(VIEWER)
    browser.cluster.errors = [ClusterError(upstream, "down <b>")] * 3
    answer = await browser.get(MODEL)
    assert answer.status == status
    assert "down &lt;b&gt;" in await answer.text()


async def test_every_answer_has_the_headers(browser: Browser) -> None:
    for path in ("/", "/login", "/static/console.css", "/static/refresh.js", "/healthz", "/no"):
        answer = await browser.get(path)
        assert HEADERS.items() <= answer.headers.items()
    policy = HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    await browser.sign_in(VIEWER)
    assert (await browser.get(MODEL)).headers["Cache-Control"] == "no-store"


async def test_a_link_of_another_site_opens_with_the_cookie(browser: Browser) -> None:
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    page = await (await browser.get(f"{MODEL}?a=1&b=2", **headers)).text()
    assert f'content="0; url={MODEL}?a=1&amp;b=2"' in page


async def test_a_body_that_is_too_long_is_refused(browser: Browser) -> None:
    answer = await browser.post("/login", {"token": "x" * 40_000})
    assert answer.status == 413


async def test_no_log_has_a_token_or_a_session(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await browser.sign_in(EDITOR)
    fields = await browser.confirmed("abort")
    await browser.post(f"{MODEL}/actions/abort", fields)
    await browser.get(MODEL, Authorization=f"Bearer {VIEWER}")
    browser.cluster.body = {"metadata": {}}
    assert (await browser.get(MODEL)).status == 500
    assert "editor asked: rollback of the candidate" in caplog.text
    assert "no page for /models/{namespace}/{name}" in caplog.text
    for secret in (EDITOR, VIEWER, browser.cookie, fields["ticket"]):
        assert secret not in caplog.text


async def test_static_files_are_not_sent_again(browser: Browser) -> None:
    first = await browser.get("/static/console.css")
    again = await browser.get("/static/console.css", **{"If-None-Match": first.headers["ETag"]})
    assert (first.status, again.status) == (200, 304)
