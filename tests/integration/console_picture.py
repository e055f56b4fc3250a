"""The picture of docs/console.md: python -m tests.integration.console_picture docs/console.png"""

from __future__ import annotations

import pathlib
import sys

from playwright.sync_api import Route

from recommender_console import actions
from recommender_console.pages import model
from tests.integration import browser_rig
from tests.unit.recommender_console import samples

STATIC = pathlib.Path(model.__file__).parents[1] / "static"
HOST = "http://console.example"


def page() -> str:
    """Return the page of the model of the unit tests."""
    seen, versions = samples.seen(), samples.seen_versions()
    offers = actions.offers(seen.model, [one.version for one in versions])
    sight = model.Sight(seen=seen, versions=versions, offers=offers, notice="", cut=False)
    return model.render(sight, samples.VISITOR, samples.NOW)


def answer(route: Route) -> None:
    path = STATIC / route.request.url.rsplit("/", 1)[1]
    if path.is_file():
        route.fulfill(path=path)
    else:
        route.fulfill(body=page(), content_type="text/html")


def main(target: str) -> None:
    with browser_rig.launched() as browser:
        shown = browser.new_page(viewport={"width": 1220, "height": 1240})
        shown.route("**/*", answer)
        shown.goto(f"{HOST}/movies")
        shown.screenshot(path=target)


if __name__ == "__main__":
    main(sys.argv[1])
