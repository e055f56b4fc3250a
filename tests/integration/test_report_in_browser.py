"""report.html in a real browser: large, small, dark, printed, and in the console."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from recommender_contract.artifact import MANIFEST
from recommender_contract.artifact import REPORT_PAGE as REPORT
from recommender_examples import synthetic
from recommender_training.cli import main
from tests.integration import browser_rig, report_rig
from tests.integration.page_checks import (
    BAD_TEXTS,
    BARRIERS,
    CONTRASTS,
    LEAST_CONTRAST,
    OVERFLOW,
)
from tests.integration.report_rig import Console
from tests.unit.recommender_console.test_reports import sealed

pytestmark = pytest.mark.integration
DESK, PHONE = (1280, 900), (360, 740)
#: Everything that a training could try.
HOSTILE = """<!doctype html><title>Report</title><p id="said">no script</p>
<script>document.getElementById("said").textContent = "script"; top.location = "/logout"</script>
<img src="http://localhost:1/seen.png" onerror="top.location = '/logout'">
<form method="post" action="/logout"><button>Win</button></form>
<a href="http://localhost:1/elsewhere">Out</a>
<a href="http://localhost:1/elsewhere" target="_top">Over</a>"""
CONFIG = """{"seed": 3, "hyperparameters": {"epochs": 3, "embeddingDim": 8, "batchSize": 256},
 "search": {"trials": 5, "folds": 2, "seeds": 2, "space": {"learningRate": {}, "dropout": {}}}}"""


@dataclasses.dataclass(frozen=True)
class Seen:
    """A page, its requests and its errors."""

    page: Page
    asked_for: list[str]
    complaints: list[str]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a trained artifact, written by the command that users run."""
    raw, work = tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("work")
    synthetic.generate(raw, synthetic.Size(users=120, items=60, interactions=3000), seed=5)
    source = ["--source", str(raw), "--format", "MovieLens100K"]
    status = main.main(["run", *source, "--work", str(work), "--config", CONFIG])
    assert status == 0
    found = list(work.rglob("artifacts/**/report.html"))
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browser_rig.launched() as browser:
        yield browser


def opened(browser: Browser, size: tuple[int, int], **context: Any) -> Seen:
    viewport: ViewportSize = {"width": size[0], "height": size[1]}
    page = browser.new_context(viewport=viewport, **context).new_page()
    seen = Seen(page, [], [])
    page.on("request", lambda request: seen.asked_for.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    return seen


def look(browser: Browser, report: Path, size: tuple[int, int], **context: Any) -> Seen:
    seen = opened(browser, size, **context)
    seen.page.goto(report.as_uri())
    return seen


def signed_in(browser: Browser, console: Console, size: tuple[int, int] = DESK) -> Seen:
    """Return the page of the version with the report."""
    seen = opened(browser, size)
    seen.page.goto(console.url + console.version)
    seen.page.get_by_label("Bearer token of the cluster").fill(console.token)
    seen.page.get_by_role("button", name="Sign in").click()
    return seen


def test_the_page_requests_no_other_resource_and_the_browser_reports_no_error(
    browser: Browser, report: Path
) -> None:
    seen = look(browser, report, DESK)
    assert seen.asked_for == [report.as_uri()]
    assert seen.complaints == []


def test_the_first_screen_shows_the_verdict_and_the_headline_metrics(
    browser: Browser, report: Path
) -> None:
    page = look(browser, report, DESK).page
    for selector in ("h1", ".verdict", ".tiles"):
        box = page.locator(selector).bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= DESK[1], selector
    assert page.locator(".tile").count() == 4


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_page_fits_the_width_of_a_screen(
    browser: Browser, report: Path, size: tuple[int, int]
) -> None:
    page = look(browser, report, size).page
    assert page.evaluate(OVERFLOW) == 0


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_no_text_in_a_figure_is_cut_off_or_overlaps_another(
    browser: Browser, report: Path, size: tuple[int, int]
) -> None:
    page = look(browser, report, size).page
    assert page.locator("svg").count() >= 5
    assert page.evaluate(BAD_TEXTS) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_is_readable_in_light_and_dark_mode(
    browser: Browser, report: Path, scheme: str
) -> None:
    page = look(browser, report, DESK, color_scheme=scheme).page
    lowest = page.evaluate(CONTRASTS)
    assert len(lowest) > 50
    assert lowest[0][0] >= LEAST_CONTRAST, lowest[:5]


def test_the_page_prints_with_all_figures(browser: Browser, report: Path) -> None:
    page = look(browser, report, DESK).page
    page.emulate_media(media="print")
    for figure in page.locator("svg").all():
        box = figure.bounding_box()
        assert box is not None
        assert min(box["width"], box["height"]) > 60
    assert page.pdf(format="A4").startswith(b"%PDF-")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_console_shows_the_report_in_a_frame_and_alone(
    browser: Browser, report: Path, size: tuple[int, int]
) -> None:
    files = {name: (report.parent / name).read_bytes() for name in (MANIFEST, REPORT)}
    with report_rig.console(files) as console:
        seen = signed_in(browser, console, size)
        page = seen.page
        page.get_by_role("link", name="Report of the training").click()
        framed = page.frame_locator("iframe")
        expect(framed.get_by_role("heading", level=1)).to_contain_text("Recommender evaluation")
        expect(framed.locator(".tile")).to_have_count(4)
        assert page.evaluate(OVERFLOW) == 0
        assert page.evaluate(BARRIERS) == []
        page.get_by_role("link", name="The report alone").press("Enter")
        expect(page.locator(".tile")).to_have_count(4)
        assert all(url.startswith(console.url + "/") for url in seen.asked_for)
        assert seen.complaints == []


def test_a_report_with_a_script_a_form_and_links_can_do_nothing_in_the_console(
    browser: Browser,
) -> None:
    page = HOSTILE.encode()
    with report_rig.console({MANIFEST: sealed(page), REPORT: page}) as console:
        seen, ends = signed_in(browser, console), {}
        seen.page.on("requestfailed", lambda r: ends.update({r.url: r.failure}))

        def look_at(path: str) -> None:
            with seen.page.expect_event("requestfailed", lambda r: r.url.endswith("/seen.png")):
                seen.page.goto(console.url + console.version + path)

        for path in ("/report", "/report.html"):
            look_at(path)
            inside = seen.page.frame_locator("iframe") if path == "/report" else seen.page
            expect(inside.locator("#said")).to_have_text("no script")
            inside.get_by_role("button", name="Win").click()
            expect(inside.locator("#said")).to_have_text("no script")
        look_at("/report")
        inside = seen.page.frame_locator("iframe")
        # The browser says why it follows neither; there is no request that could fail.
        with seen.page.expect_console_message(lambda said: "top-level window" in said.text):
            inside.get_by_role("link", name="Over").click()
        with seen.page.expect_console_message(lambda said: "frame-src 'self'" in said.text):
            inside.get_by_role("link", name="Out").click()
        expect(seen.page.get_by_role("heading", level=1)).to_contain_text("Report of")
        # The browser stops them itself: a request that it sends would fail to connect.
        foreign = {url for url in seen.asked_for if not url.startswith(console.url + "/")}
        assert {ends[url] for url in foreign} == {"csp"}
        assert not any("logout" in url for url in seen.asked_for)
