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

pytestmark = pytest.mark.integration
DESK, PHONE = (1280, 900), (360, 740)
CONFIG = """{"seed": 3, "hyperparameters": {"epochs": 3, "embeddingDim": 8, "batchSize": 256},
 "search": {"trials": 5, "folds": 2, "seeds": 2, "space": {"learningRate": {}, "dropout": {}}}}"""
#: WCAG 2.2, success criterion 1.4.3: the minimum contrast of text and background.
LEAST_CONTRAST = 4.5

#: Text of a figure that is cut off at its edge, or lies over other text of the same figure.
BAD_TEXTS = """() => [...document.querySelectorAll("svg")].flatMap(svg => {
  const edge = svg.getBoundingClientRect();
  const boxes = [...svg.querySelectorAll("text")].map(
    t => [t.textContent, t.getBoundingClientRect()]);
  const cut = boxes.filter(([, b]) =>
    b.left < edge.left - 1 || b.right > edge.right + 1 ||
    b.top < edge.top - 1 || b.bottom > edge.bottom + 1).map(([text]) => `cut off: ${text}`);
  const over = [];
  boxes.forEach(([one, a], i) => boxes.slice(i + 1).forEach(([two, b]) => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 2 && high > 4) over.push(`overlap: ${one} and ${two}`);
  }));
  return cut.concat(over);
})"""

#: Contrast of each text with the nearest background behind it, lowest first.
CONTRASTS = """() => {
  const parse = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
  const light = c => [0.2126, 0.7152, 0.0722].reduce((sum, weight, i) => {
    const v = c[i] / 255;
    return sum + weight * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const behind = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = parse(getComputedStyle(e).backgroundColor);
      if (c.length && (c.length < 4 || c[3] > 0)) return c;
    }
    return [255, 255, 255];
  };
  const texts = [...document.body.querySelectorAll("*")].filter(e => e.getClientRects().length &&
    [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()));
  return texts.map(e => {
    const style = getComputedStyle(e);
    const ink = light(parse(e.closest("svg") ? style.fill : style.color));
    const paper = light(behind(e));
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    return [ratio, e.textContent.trim().slice(0, 40)];
  }).sort((a, b) => a[0] - b[0]);
}"""

OVERFLOW = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


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
