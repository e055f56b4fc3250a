"""Parts of pages: badges, times, tables, facts."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from recommender_console.markup import Child, Markup, join, tag
from recommender_kubectl import text
from recommender_kubectl.objects import Model

_GOOD = ("Pass", "Promoted", "Serving", "Succeeded")
_BAD = ("Fail", "Error", "Failed", "Rejected", "RolledBack", "Locked")
_WAITING = ("Inconclusive", "Paused", "Canary", "Unknown", "Deleting")
_TONES = {
    **dict.fromkeys(_GOOD, "good"),
    **dict.fromkeys(_BAD, "bad"),
    **dict.fromkeys(_WAITING, "waiting"),
}
NOTHING = "–"


def badge(word: str, tone: str | None = None) -> Markup:
    """Return a stage, an outcome or a verdict; the word says what the colour says."""
    return tag("span", word, class_=f"badge {tone or _TONES.get(word, 'plain')}")


def moment(then: datetime.datetime | None, now: datetime.datetime) -> Markup | None:
    """Return how long ago a time was; the time itself shows on hovering."""
    if then is None:
        return None
    exact = then.astimezone(datetime.UTC)
    return tag(
        "time", text.ago(then, now), datetime=exact.isoformat(timespec="seconds"),
        title=f"{exact:%Y-%m-%d %H:%M:%S} UTC",
    )  # fmt: skip


def table(
    caption: str, header: Sequence[str], rows: Iterable[Sequence[Child]], class_: str = ""
) -> Markup:
    """Return a table that scrolls sideways on a narrow screen; the first column names the row."""
    head = tag("tr", join(tag("th", name, scope="col") for name in header))
    body = [
        tag("tr", tag("th", row[0], scope="row"), join(tag("td", cell) for cell in row[1:]))
        for row in rows
    ]
    whole = tag(
        "table", tag("caption", caption), tag("thead", head), tag("tbody", join(body)),
        class_=class_ or None,
    )  # fmt: skip
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def facts(pairs: Iterable[tuple[str, Child]]) -> Markup:
    """Return names and values; those without a value are left out."""
    shown = [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs if value]
    return tag("dl", join(shown))


def section(id_: str, title: str, *children: Child) -> Markup | None:
    """Return a section with a heading; nothing if it has no content."""
    if not any(children):
        return None
    heading = tag("h2", title, id=f"{id_}-title")
    return tag("section", heading, *children, id=id_, aria_labelledby=f"{id_}-title")


def note(*children: Child) -> Markup:
    """Return a remark."""
    return tag("p", *children, class_="note")


def link(to: str, words: str) -> Markup:
    """Return a link to a path of the console."""
    assert to.startswith("/"), to
    return tag("a", words, href=to)


def model_path(namespace: str, name: str) -> str:
    """Return the path of a model's page. Names of Kubernetes objects need no quoting."""
    return f"/models/{namespace}/{name}"


def version_path(namespace: str, model: str, version: str) -> str:
    """Return the path of a version's page."""
    return f"{model_path(namespace, model)}/versions/{version}"


def report_path(namespace: str, model: str, version: str) -> str:
    """Return the path of the page with a version's report."""
    return f"{version_path(namespace, model, version)}/report"


def trail(model: Model) -> tuple[tuple[str, str], ...]:
    """Return the way from the first page to a model's, for the pages below it."""
    return (
        ("/", "Models"),
        (f"/?namespace={model.namespace}", model.namespace),
        (model_path(model.namespace, model.name), model.name),
    )


def hidden(name: str, value: str) -> Markup:
    """Return a hidden field of a form."""
    return tag("input", type="hidden", name=name, value=value)


def plural(count: int, word: str) -> str:
    """Return a count with its word."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"
