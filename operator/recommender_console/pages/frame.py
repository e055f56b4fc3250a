"""The frame of every page: head, navigation, who is signed in."""

from __future__ import annotations

from dataclasses import dataclass

from recommender_console.markup import Child, Markup, join, tag
from recommender_console.pages import parts


@dataclass(frozen=True, kw_only=True)
class Visitor:
    """The visitor of the page."""

    name: str
    #: Proves that a form comes from a page of this visitor.
    ticket: str
    #: False if a proxy sends the token with each request: there is nothing to sign out of.
    signs_out: bool


def page(
    title: str,
    *children: Child,
    visitor: Visitor | None,
    trail: tuple[tuple[str, str], ...] = (),
    live: bool = False,
) -> str:
    """Return a whole page; a live one is refreshed by the script, if there is one."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("title", f"{title} · Recommenders"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="/static/icon.svg", type="image/svg+xml"),
        tag("link", rel="stylesheet", href="/static/console.css"),
        tag("script", src="/static/refresh.js", defer="") if live else None,
    )
    body = tag(
        "body",
        tag("a", "Skip to the content", href="#content", class_="skip"),
        _banner(visitor, live),
        tag(
            "main",
            _trail(trail, title),
            tag("div", *children, id="live", data_live="") if live else join(children),
            id="content",
            tabindex="-1",
        ),
    )
    return "<!doctype html>\n" + tag("html", head, body, lang="en").source + "\n"


def _banner(visitor: Visitor | None, live: bool) -> Markup:
    toggle = tag(
        "button", "Pause updates", type="button", id="refresh", aria_pressed="false", hidden=""
    )
    state = tag("span", "", id="refreshed", class_="soft")
    return tag(
        "header",
        tag("nav", parts.link("/", "Recommenders"), aria_label="Console", class_="home"),
        tag("div", state, toggle, class_="updates") if live else None,
        _who(visitor) if visitor else None,
        class_="banner",
    )


def _who(visitor: Visitor) -> Markup:
    leave = tag(
        "form",
        parts.hidden("ticket", visitor.ticket),
        tag("button", "Sign out", type="submit"),
        method="post",
        action="/logout",
    )
    return tag(
        "div",
        tag("span", visitor.name, class_="who", title=visitor.name),
        leave if visitor.signs_out else None,
        class_="visitor",
    )


def _trail(trail: tuple[tuple[str, str], ...], title: str) -> Markup | None:
    if not trail:
        return None
    steps = [tag("li", parts.link(to, words)) for to, words in trail]
    here = tag("li", tag("span", title, aria_current="page"))
    return tag("nav", tag("ol", *steps, here), aria_label="Breadcrumb", class_="trail")
