"""The console in a real browser, before a real API server."""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect

import recommender_console
from tests.integration import browser_rig, console_rig, model_objects
from tests.integration import operator_api_rig as rig
from tests.integration.console_rig import Console
from tests.integration.page_checks import (
    BAD_TEXTS,
    BARRIERS,
    CONTRASTS,
    LEAST_CONTRAST,
    OVERFLOW,
    SMALL_TARGETS,
)
from tests.unit.recommender_console.samples import CANDIDATE, CHAMPION

pytestmark = pytest.mark.integration
DESK, PHONE = (1280, 900), (360, 740)
#: Milliseconds in which a page that is not paused looks again, if the cluster answers at once.
REFRESHED = 5000
SCRIPT = pathlib.Path(recommender_console.__file__).with_name("static") / "refresh.js"


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    namespace = rig.new_namespace()
    console_rig.put_world(namespace)
    people = console_rig.people(namespace)
    with console_rig.served(tmp_path_factory.mktemp("console")) as url:
        yield Console(url, namespace, *people)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browser_rig.launched() as browser:
        yield browser


@dataclasses.dataclass(frozen=True)
class Seen:
    """A signed-in browser, what it asked for, and what it complained about."""

    page: Page
    context: BrowserContext
    asked_for: list[str]
    complaints: list[str]


def signed_in(
    browser: Browser, console: Console, token: str, size: tuple[int, int] = DESK, **options: Any
) -> Seen:
    viewport: ViewportSize = {"width": size[0], "height": size[1]}
    context = browser.new_context(viewport=viewport, **options)
    page = context.new_page()
    seen = Seen(page, context, [], [])
    page.on("request", lambda request: seen.asked_for.append(request.url))
    page.on("console", lambda message: seen.complaints.append(message.text))
    page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    page.goto(f"{console.url}/models/{console.namespace}/movies")
    page.get_by_label("Bearer token of the cluster").fill(token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("movies")
    return seen


def paths(console: Console) -> dict[str, str]:
    """All pages of somebody who is signed in."""
    model = f"/models/{console.namespace}/movies"
    return {
        "list": f"/?namespace={console.namespace}",
        "model": model,
        "version": f"{model}/versions/{CANDIDATE}",
        "diff": f"{model}/diff?a={CHAMPION}&b={CANDIDATE}",
        "confirm": f"{model}/actions/abort",
        "refused": f"{model}/actions/resume",
        "missing": f"/models/{console.namespace}/books",
    }


def test_the_browser_asks_for_nothing_elsewhere_and_the_policy_forbids_nothing_needed(
    browser: Browser, console: Console
) -> None:
    seen = signed_in(browser, console, console.editor)
    for name, path in paths(console).items():
        if name not in ("refused", "missing"):
            seen.page.goto(console.url + path)
    assert all(url.startswith(console.url + "/") for url in seen.asked_for)
    assert seen.complaints == []


def test_the_token_is_in_no_place_that_a_script_can_read(
    browser: Browser, console: Console
) -> None:
    seen = signed_in(browser, console, console.editor)
    kept = seen.page.evaluate(
        "() => document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"
    )
    assert kept == "{}{}"
    (cookie,) = seen.context.cookies()
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"]) == (True, True, "Strict")
    assert console.editor not in cookie["value"]
    assert console.editor not in seen.page.content()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_is_readable_and_no_page_has_a_barrier(
    browser: Browser, console: Console, scheme: str
) -> None:
    seen = signed_in(browser, console, console.editor, color_scheme=scheme)
    for name, path in paths(console).items():
        seen.page.goto(console.url + path)
        lowest = seen.page.evaluate(CONTRASTS)
        assert lowest[0][0] >= LEAST_CONTRAST, (name, lowest[:5])
        assert seen.page.evaluate(BARRIERS) == [], name
        assert seen.page.evaluate(SMALL_TARGETS) == [], name
    seen.context.clear_cookies()
    seen.page.goto(console.url)
    assert seen.page.evaluate(BARRIERS) == []
    assert seen.page.evaluate(CONTRASTS)[0][0] >= LEAST_CONTRAST


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_fits_the_width_of_a_screen(
    browser: Browser, console: Console, size: tuple[int, int]
) -> None:
    page = signed_in(browser, console, console.editor, size).page
    for name, path in paths(console).items():
        page.goto(console.url + path)
        assert page.evaluate(OVERFLOW) == 0, name
        assert page.evaluate(BAD_TEXTS) == [], name


def test_the_keyboard_is_enough_to_sign_in_and_to_abort(
    browser: Browser, console: Console
) -> None:
    page = browser.new_context().new_page()
    page.goto(f"{console.url}/models/{console.namespace}/movies")

    def tab_to(words: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            at = page.evaluate(
                "() => [document.activeElement.textContent, document.activeElement.id,"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
            if words in at[:2]:
                assert at[2] == "solid", f"no visible focus at {words}"
                return
        raise AssertionError(f"no way to {words} with the keyboard")

    tab_to("Skip to the content")
    tab_to("token")
    page.keyboard.type(console.editor)
    page.keyboard.press("Enter")
    expect(page.locator("#act-abort")).to_be_visible()
    tab_to("act-abort")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Abort: movies?")
    tab_to("confirm")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("abort: requested.")
    assert "recommender.dev/abort" in model_objects.asked(console.namespace)


def test_a_change_is_on_the_page_within_five_seconds_and_the_visitors_place_is_kept(
    browser: Browser, console: Console
) -> None:
    seen = signed_in(browser, console, console.editor)
    page = seen.page
    page.locator("#refusals summary").click()
    page.locator("#act-promote").focus()
    model_objects.set_status(console.namespace, {"candidateWeight": 37, "championWeight": 63})
    expect(page.locator("#traffic")).to_contain_text("37 %")
    expect(page.locator("#refusals")).to_have_attribute("open", "")
    expect(page.locator("#act-promote")).to_be_focused()
    assert seen.complaints == []
    (every,) = re.findall(r"const EVERY = (\d+);", SCRIPT.read_text(encoding="utf-8"))
    assert int(every) < REFRESHED


def test_updates_can_be_paused(browser: Browser, console: Console) -> None:
    page = signed_in(browser, console, console.viewer).page
    page.get_by_role("button", name="Pause updates").click()
    expect(page.locator("#refreshed")).to_have_text("Updates are paused")
    model_objects.set_status(console.namespace, {"candidateWeight": 41, "championWeight": 59})
    page.wait_for_timeout(REFRESHED)
    expect(page.locator("#traffic")).not_to_contain_text("41 %")
    page.get_by_role("button", name="Pause updates").click()
    expect(page.locator("#traffic")).to_contain_text("41 %")


def test_everything_works_without_a_script(browser: Browser, console: Console) -> None:
    page = signed_in(browser, console, console.editor, java_script_enabled=False).page
    expect(page.get_by_role("button", name="Pause updates")).to_be_hidden()
    page.get_by_role("link", name="Pause", exact=True).click()
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("status")).to_contain_text("pause")
    page.get_by_role("link", name="Resume").click()
    page.get_by_role("button", name="Resume").click()
    assert model_objects.model(console.namespace)["spec"]["paused"] is False
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/login$"))


def test_a_form_of_another_site_does_nothing_and_its_link_opens_the_page(
    browser: Browser, console: Console
) -> None:
    seen = signed_in(browser, console, console.editor)
    model = f"{console.url}/models/{console.namespace}/movies"
    before = model_objects.model(console.namespace)
    # Another host: cookies and origins tell it from 127.0.0.1.
    elsewhere = console.url.replace("127.0.0.1", "localhost")
    attack = (
        f'<form method="post" action="{model}/actions/pause"><button>Win</button></form>'
        f'<a href="{model}">Look</a>'
    )
    page = seen.context.new_page()
    page.route(f"{elsewhere}/trap", lambda route: route.fulfill(
        body=attack, content_type="text/html"))  # fmt: skip
    page.goto(f"{elsewhere}/trap")
    page.get_by_role("button", name="Win").click()
    expect(page).to_have_url(re.compile("/login$"))
    page.goto(f"{elsewhere}/trap")
    page.get_by_role("link", name="Look").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("movies")
    assert model_objects.model(console.namespace)["spec"] == before["spec"]
