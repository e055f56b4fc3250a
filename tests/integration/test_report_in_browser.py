"""report.html in a real browser: on a desktop, on a phone, in dark mode and in print."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, ViewportSize

from recommender_training.cli import main
from recommender_training.samples import synthetic
from tests.integration import browser_rig
from tests.integration.page_checks import BAD_TEXTS, CONTRASTS, LEAST_CONTRAST, OVERFLOW

pytestmark = pytest.mark.integration
DESK, PHONE = (1280, 900), (360, 740)
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
    status = main.main(["run", "--source", str(raw), "--work", str(work), "--config", CONFIG])
    assert status == 0
    found = list(work.rglob("artifacts/**/report.html"))
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browser_rig.launched() as browser:
        yield browser


def look(browser: Browser, report: Path, size: tuple[int, int], **context: Any) -> Seen:
    viewport: ViewportSize = {"width": size[0], "height": size[1]}
    page = browser.new_context(viewport=viewport, **context).new_page()
    seen = Seen(page, [], [])
    page.on("request", lambda request: seen.asked_for.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.goto(report.as_uri())
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
