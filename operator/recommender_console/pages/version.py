"""The pages of a version, and of what differs between two."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from recommender_console.markup import Child, Markup, join, tag
from recommender_console.object_details import SeenModel, SeenVersion
from recommender_console.pages import experiment, frame, interval_tables, lineage, parts
from recommender_console.pages.frame import Visitor
from recommender_kubectl.objects import Model, Version
from recommender_kubectl.views import diff as diff_view
from recommender_kubectl.views import why
from recommender_kubectl.views.diff import Difference

#: Differences on a page.
_MOST = 500


def render(
    seen: SeenModel,
    one: SeenVersion,
    visitor: Visitor,
    now: datetime.datetime,
    *,
    may_roll_back: bool,
) -> str:
    """Return the page of a version."""
    model, version = seen.model, one.version
    explained = why.of_version(model, [version], version.name)
    steps = [
        interval_tables.step_table(one, index, now)
        for index in reversed(range(len(version.steps)))
    ]
    path = parts.model_path(model.namespace, model.name)
    report = tag(
        "a", "Report of the training", class_="button", id="report",
        href=parts.report_path(model.namespace, model.name, version.name),
    )  # fmt: skip
    back = None
    if may_roll_back:
        back = tag(
            "a", "Roll back to this version", class_="button grave", id="act-rollback",
            href=f"{path}/actions/rollback?to={version.name}",
        )  # fmt: skip
    gates = interval_tables.gates(one)
    return frame.page(
        version.name,
        tag("h1", version.name, " ", parts.badge(version.stage), id="stage"),
        _decision(version, explained.next, now),
        tag("div", report, back, class_="buttons"),
        parts.section("lineage", "From data to serving", lineage.render(one, model)),
        parts.section("gates", "Offline gates", gates),
        parts.section("smoke", "Smoke inference", _smoke(version)),
        experiment.mixed(one),
        experiment.section(one, model, now),
        parts.section("courses", "Metrics by step", interval_tables.courses(one)),
        parts.section("steps", "Steps", join(steps) if steps else None),
        interval_tables.legend() if steps or gates else None,
        parts.section("metrics", "Offline metrics", _metrics(version)),
        visitor=visitor,
        trail=parts.trail(model),
        live=True,
    )


def differences(
    model: Model, names: tuple[str, str], found: Sequence[Difference], visitor: Visitor
) -> str:
    """Return the page of what differs between two versions."""
    rows: list[list[Child]] = [
        [f"{one.section}.{one.field}", *_cells(one)] for one in found[:_MOST]
    ]
    table = parts.table(
        f"Differences between {names[0]} and {names[1]}", ("Field", *names, "Change"), rows, "wide"
    )
    cut = f"{len(found) - _MOST} more differences are not shown." if len(found) > _MOST else ""
    return frame.page(
        "Differences",
        tag("h1", "Differences"),
        table if rows else tag("p", f"{names[0]} and {names[1]} do not differ."),
        parts.note(cut) if cut else None,
        visitor=visitor,
        trail=parts.trail(model),
    )


def _cells(one: Difference) -> list[Child]:
    # As the plugin prints them.
    first, second, change = diff_view.cells(one)
    return [first, second, change]


def _decision(version: Version, next_: str, now: datetime.datetime) -> Markup:
    decision = version.decision
    said = None
    if decision is not None:
        said = tag(
            "p", parts.badge(decision.outcome), f" {decision.reason}: {decision.message} ",
            parts.moment(decision.at, now),
        )  # fmt: skip
    elif version.failure:
        said = tag("p", version.failure)
    return tag("div", said, tag("p", tag("b", "Next: "), next_), class_="panel")


def _smoke(version: Version) -> Markup | None:
    if version.smoke_passed is None:
        return None
    word = "Pass" if version.smoke_passed else "Fail"
    return tag("p", parts.badge(word), " ", version.smoke_message)


def _metrics(version: Version) -> Markup | None:
    if not version.metrics:
        return None
    plain = [n for n in sorted(version.metrics) if not _end_of_interval(n, version)]
    rows: list[list[Child]] = []
    for name in plain:
        ends = [version.metrics.get(f"{name}{end}") for end in ("Low", "High")]
        between = "" if None in ends else f"{ends[0]:.4g} to {ends[1]:.4g}"
        rows.append([name, f"{version.metrics[name]:.4g}", between])
    table = parts.table("Offline metrics", ("Metric", "Value", "95 % interval"), rows, "numbers")
    return tag(
        "details", tag("summary", parts.plural(len(rows), "metric")), table, id="all-metrics"
    )


def _end_of_interval(name: str, version: Version) -> bool:
    stem = name.removesuffix("Low").removesuffix("High")
    return stem != name and stem in version.metrics
