"""The page of a model."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from recommender_console.actions import Offer
from recommender_console.markup import Child, Markup, tag
from recommender_console.object_details import SeenModel, SeenVersion
from recommender_console.pages import experiment, frame, interval_tables, lineage, parts, timeline
from recommender_console.pages.frame import Visitor
from recommender_kubectl.objects import Condition, Model
from recommender_kubectl.views import history, why
from recommender_kubectl.views import status as status_view

#: Conditions of which True needs attention, and those of which neither status is good or bad.
_ALARMS = ("Drifted", "RetrainProposed", "Locked", "Stalled")
_NEUTRAL = ("Progressing", "Reconciling")


@dataclass(frozen=True, kw_only=True)
class Sight:
    """All that the page shows."""

    seen: SeenModel
    versions: tuple[SeenVersion, ...]
    #: None if the visitor may not patch the model.
    offers: Sequence[Offer] | None
    #: What the visitor has just asked for, and what became of it.
    notice: str
    #: More versions exist than are shown.
    cut: bool


def render(sight: Sight, visitor: Visitor, now: datetime.datetime) -> str:
    """Return the page."""
    model, plain = sight.seen.model, [one.version for one in sight.versions]
    status = status_view.of_model(model, plain, now)
    followed = _followed(sight, model)
    entries = timeline.of_model(sight.seen, sight.versions)
    return frame.page(
        model.name,
        tag("h1", model.name, " ", parts.badge(model.stage), id="stage"),
        tag("p", sight.notice, class_="notice", role="status") if sight.notice else None,
        _serving(status, now),
        _actions(sight, model),
        _current(followed, model, now),
        experiment.mixed(followed) if followed else None,
        experiment.section(followed, model, now) if followed else None,
        parts.section("drift", "Drift by feature", interval_tables.drift(sight.seen.drift, now)),
        parts.section("conditions", "Conditions", _conditions(model, now)),
        parts.section(
            "lineage", "From data to serving",
            parts.note(followed.version.name) if followed else None,
            lineage.render(followed, model) if followed else None,
        ),
        parts.section("versions", "Versions", _versions(model, sight, now)),
        parts.section(
            "timeline", "Timeline", timeline.render(entries, model.namespace, model.name, now)
        ),
        visitor=visitor,
        trail=(("/", "Models"), (f"/?namespace={model.namespace}", model.namespace)),
        live=True,
    )  # fmt: skip


def _followed(sight: Sight, model: Model) -> SeenVersion | None:
    """Return the version that the numbers are about: as `kubectl recommender why` chooses it."""
    last = model.last_outcome.version if model.last_outcome else None
    wanted = model.candidate or last or model.champion
    return next((one for one in sight.versions if one.version.name == wanted), None)


def _serving(status: status_view.ModelStatus, now: datetime.datetime) -> Markup:
    pending, outcome = status.route_pending_since, status.last_outcome
    candidate = status.candidate
    pairs: list[tuple[str, Child]] = [
        ("Champion", _arm(status, status.champion, now) or "none: no version serves yet"),
        ("Candidate", _arm(status, candidate, now)),
        ("Previous", _kept(status)),
        ("Progress", _progress(status)),
        ("Verdict", parts.badge(status.verdict) if candidate and status.verdict else None),
        ("Last outcome", f"{outcome.version} {outcome.summary}" if outcome else None),
        ("Holdout", status.holdout or None),
        ("Host", tag("code", status.url) if status.url else None),
        ("Paused", "nothing starts until somebody resumes it" if status.paused else None),
        ("Pin", f"spec.rollbackTo: {status.pin}; nothing newer rolls out" if status.pin else None),
        ("Route", tag("span", "the Gateway has not applied these weights since ",
                      parts.moment(pending, now)) if pending else None),
        ("Spec", None if status.observed else "the operator has not acted on the last change"),
    ]  # fmt: skip
    return tag("div", parts.facts(pairs), class_="panel")


def _arm(
    status: status_view.ModelStatus, arm: status_view.Arm | None, now: datetime.datetime
) -> Markup | None:
    if arm is None:
        return None
    share = "" if arm.weight is None else f", {arm.weight} % of the {arm.split}"
    since: tuple[Child, ...] = ()
    if arm.promoted_at is not None:
        since = (", promoted ", parts.moment(arm.promoted_at, now))
    return tag("span", _version(status, arm.version), share, *since)


def _kept(status: status_view.ModelStatus) -> Markup | None:
    if status.previous is None:
        return None
    return tag("span", _version(status, status.previous), ", kept warm")


def _version(status: status_view.ModelStatus, name: str) -> Markup:
    return parts.link(parts.version_path(status.namespace, status.name, name), name)


def _progress(status: status_view.ModelStatus) -> Markup | None:
    seen = status.progress
    if seen is None:
        return None
    words = status_view.progress_line(seen).partition("] ")[2]
    meter = tag(
        "progress", f"{seen.share:.0%}", value=seen.share, max="1", aria_label="Progress of the "
        "rollout",
    )  # fmt: skip
    return tag("span", meter, " ", words)


def _actions(sight: Sight, model: Model) -> Markup | None:
    if sight.offers is None:
        return parts.note("You have read-only access.")
    path = parts.model_path(model.namespace, model.name)
    open_ones = [
        tag(
            "a", one.action.label, href=f"{path}/actions/{one.action.verb}",
            class_="button grave" if one.action.grave else "button", id=f"act-{one.action.verb}",
        )
        for one in sight.offers
        if not one.refusal
    ]  # fmt: skip
    closed = [one for one in sight.offers if one.refusal]
    reasons = [tag("li", tag("b", one.action.label), ": ", one.refusal) for one in closed]
    return tag(
        "section",
        tag("h2", "Actions", id="actions-title", class_="hidden"),
        tag("div", *open_ones, class_="buttons"),
        tag(
            "details", tag("summary", "What is not possible now, and why"), tag("ul", *reasons),
            id="refusals",
        ),
        id="actions",
        aria_labelledby="actions-title",
    )  # fmt: skip


def _current(followed: SeenVersion | None, model: Model, now: datetime.datetime) -> Markup | None:
    split = interval_tables.split(model)
    if followed is None:
        return parts.section("traffic", "Traffic", split)
    version = followed.version
    explained = why.of_version(model, [version], version.name)
    steps = followed.version.steps
    decision = version.decision
    said = None
    if decision is not None:
        said = tag("p", parts.badge(decision.outcome), f" {decision.reason}: {decision.message}")
    elif version.failure:
        said = tag("p", version.failure)
    last = interval_tables.step_table(followed, len(steps) - 1, now) if steps else None
    gates = interval_tables.gates(followed) if not steps else None
    return tag(
        "div",
        parts.section("traffic", "Traffic", split),
        parts.section(
            "analysis", f"Analysis of {version.name}", said, last, gates,
            interval_tables.legend() if last or gates else None,
            tag("p", tag("b", "Next: "), explained.next),
        ),
    )  # fmt: skip


def _conditions(model: Model, now: datetime.datetime) -> Markup | None:
    if not model.conditions:
        return None
    rows: list[list[Child]] = [
        [
            one.type,
            parts.badge(one.status, _tone(one)),
            one.reason,
            one.message,
            parts.moment(one.since, now),
        ]
        for one in model.conditions
    ]
    return parts.table(
        "Conditions", ("Type", "Status", "Reason", "Message", "Since"), rows, "wide"
    )


def _tone(one: Condition) -> str:
    good = "False" if one.type in _ALARMS else "True"
    if one.type in _NEUTRAL or one.status == "Unknown":
        return "plain"
    if one.type == "UpToDate" and one.status == "False":
        return "waiting"
    return "good" if one.status == good else "bad"


def _versions(model: Model, sight: Sight, now: datetime.datetime) -> Markup | None:
    entries = history.of_model(model, [one.version for one in sight.versions])
    if not entries:
        return None
    path = parts.model_path(model.namespace, model.name)
    rows: list[list[Child]] = [
        [
            parts.link(parts.version_path(model.namespace, model.name, one.version), one.version),
            one.role,
            parts.badge(one.outcome),
            one.reason,
            parts.moment(one.created_at, now),
            parts.moment(one.decided_at, now),
            parts.NOTHING if one.auc is None else f"{one.auc:.4g}",
            one.data_version or parts.NOTHING,
            one.trigger,
        ]
        for one in entries
    ]
    header = (
        "Version", "Role", "Outcome", "Reason", "Created", "Decided", "AUC", "Data", "Trigger",
    )  # fmt: skip
    compare = None
    if len(entries) > 1:
        compare = _compare(path, [one.version for one in entries])
    cut = parts.note("Older versions are not shown.") if sight.cut else None
    return tag("div", parts.table("Versions", header, rows), cut, compare)


def _compare(path: str, names: Sequence[str]) -> Markup:
    def choice(name: str, label: str, chosen: str) -> Markup:
        options = [
            tag("option", one, value=one, selected="" if one == chosen else None) for one in names
        ]
        return tag("label", f"{label} ", tag("select", *options, name=name, id=f"diff-{name}"))

    return tag(
        "form",
        choice("a", "Compare", names[1]),
        choice("b", "with", names[0]),
        tag("button", "Show differences", type="submit"),
        method="get",
        action=f"{path}/diff",
        class_="filter",
    )
