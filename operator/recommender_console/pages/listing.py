"""The page of all models that the visitor may list."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from recommender_console.markup import Child, Markup, join, tag
from recommender_console.object_details import SeenModel
from recommender_console.pages import frame, parts
from recommender_console.pages.frame import Visitor
from recommender_kubectl.objects import Model

#: Rows on a page.
ROWS = 100
#: Stages in which something is on its way, or wrong: listed first in the summary.
_ORDER = ("Locked", "Failed", "Canary", "Paused")


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Filters and order that the visitor chose."""

    namespace: str = ""
    name: str = ""
    stage: str = ""
    page: int = 1

    def query(self, **changes: str | int) -> str:
        """Return the address of the list with another filter."""
        wanted = {
            "namespace": self.namespace, "name": self.name, "stage": self.stage, "page": self.page,
        }  # fmt: skip
        given = {key: value for key, value in {**wanted, **changes}.items() if value}
        if given.get("page") == 1:
            del given["page"]
        return f"/?{urlencode(given)}" if given else "/"


def render(
    seen: Sequence[SeenModel],
    wanted: Filter,
    visitor: Visitor,
    now: datetime.datetime,
    notices: Sequence[str] = (),
) -> str:
    """Return the page; `notices` say what the list leaves out."""
    stages = Counter(one.model.stage for one in seen)
    found = [one for one in seen if _fits(one.model, wanted)]
    pages = max(1, -(-len(found) // ROWS))
    number = min(wanted.page, pages)
    shown = found[(number - 1) * ROWS : number * ROWS]
    return frame.page(
        "Models",
        tag("h1", "Models"),
        join(tag("p", words, class_="notice") for words in notices),
        _summary(stages, wanted),
        _form(wanted, sorted(stages)),
        _table(shown, now) if shown else _nothing(bool(seen)),
        _pages(number, pages, len(found), wanted),
        visitor=visitor,
        live=True,
    )


def _fits(model: Model, wanted: Filter) -> bool:
    return wanted.name in model.name and wanted.stage in ("", model.stage)


def _summary(stages: Counter[str], wanted: Filter) -> Markup:
    ordered = sorted(stages, key=lambda one: (one not in _ORDER, one))
    entries = [
        tag(
            "li",
            tag(
                "a", tag("b", str(stages[stage])), " ", parts.badge(stage),
                href=wanted.query(stage=stage, page=1),
                aria_current="true" if stage == wanted.stage else None,
            ),
        )
        for stage in ordered
    ]  # fmt: skip
    return tag("ul", *entries, class_="summary", aria_label="Models by stage")


def _form(wanted: Filter, stages: Sequence[str]) -> Markup:
    if wanted.stage and wanted.stage not in stages:
        stages = [*stages, wanted.stage]
    options = [
        tag("option", stage, value=stage, selected="" if stage == wanted.stage else None)
        for stage in stages
    ]
    return tag(
        "form",
        _field("namespace", "Namespace", wanted.namespace),
        _field("name", "Name contains", wanted.name),
        tag(
            "label", "Stage ",
            tag("select", tag("option", "all", value=""), *options, name="stage", id="stage"),
        ),
        tag("button", "Show", type="submit"),
        parts.link("/", "Show all"),
        method="get",
        action="/",
        class_="filter",
        role="search",
    )  # fmt: skip


def _field(name: str, label: str, value: str) -> Markup:
    field = tag(
        "input", type="text", name=name, id=name, value=value, maxlength="63", autocomplete="off",
        spellcheck="false",
    )  # fmt: skip
    return tag("label", f"{label} ", field)


def _table(shown: Sequence[SeenModel], now: datetime.datetime) -> Markup:
    header = (
        "Model", "Namespace", "Stage", "Champion", "Weight", "Candidate", "Weight", "Verdict",
        "Attention", "Last outcome", "Age",
    )  # fmt: skip
    return parts.table("Models", header, [_row(one, now) for one in shown], "models")


def _row(seen: SeenModel, now: datetime.datetime) -> list[Child]:
    model = seen.model
    last = model.last_outcome
    return [
        parts.link(parts.model_path(model.namespace, model.name), model.name),
        model.namespace,
        parts.badge(model.stage),
        model.champion or parts.NOTHING,
        _percent(model.champion_weight),
        model.candidate or parts.NOTHING,
        _percent(model.candidate_weight),
        parts.badge(model.verdict) if model.candidate and model.verdict else parts.NOTHING,
        _attention(model) or parts.NOTHING,
        last.summary if last else parts.NOTHING,
        parts.moment(seen.created_at, now) or parts.NOTHING,
    ]


def _percent(weight: int | None) -> str:
    return parts.NOTHING if weight is None else f"{weight} %"


def _attention(model: Model) -> Markup | None:
    """Return the warnings that need a person."""
    alarms = [
        one for one in model.conditions
        if one.type in ("Drifted", "RetrainProposed", "Stalled") and one.status == "True"
    ]  # fmt: skip
    words = [one.type for one in alarms]
    ready = model.condition("Ready")
    if ready is not None and ready.status == "False":
        words.append("not Ready")
    if model.route_pending_since is not None:
        words.append("route pending")
    return join(parts.badge(word, "bad") for word in words) if words else None


def _nothing(any_models: bool) -> Markup:
    words = "No model fits the filter." if any_models else "There are no models here."
    return tag("p", words)


def _pages(number: int, pages: int, found: int, wanted: Filter) -> Markup:
    before = parts.link(wanted.query(page=number - 1), "Previous page") if number > 1 else None
    after = parts.link(wanted.query(page=number + 1), "Next page") if number < pages else None
    said = parts.plural(found, "model") + (f", page {number} of {pages}" if pages > 1 else "")
    return tag("nav", tag("span", said), before, after, aria_label="Pages", class_="pages")
