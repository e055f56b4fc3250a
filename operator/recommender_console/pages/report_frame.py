"""The page around the report of a version."""

from __future__ import annotations

from recommender_console.markup import tag
from recommender_console.object_details import SeenVersion
from recommender_console.pages import frame, parts
from recommender_console.pages.frame import Visitor
from recommender_kubectl.objects import Model


def framed(model: Model, one: SeenVersion, visitor: Visitor) -> str:
    """Return the page with the report in a frame that can do nothing."""
    name = one.version.name
    content = f"{parts.report_path(model.namespace, model.name, name)}.html"
    return frame.page(
        "Report",
        tag("h1", f"Report of {name}"),
        parts.note(
            "What the training measured, as it was published. ",
            parts.link(content, "The report alone"), ", to print or to save it. "
            "There, a link in the report can lead to another site.",
        ),
        tag("iframe", src=content, sandbox="", title=f"Report of {name}", class_="report"),
        visitor=visitor,
        trail=_trail(model, name),
    )  # fmt: skip


def missing(model: Model, one: SeenVersion, why: str, remedy: str, visitor: Visitor) -> str:
    """Return the page that says why there is no report to show, and what helps."""
    name, folder = one.version.name, one.artifact_path or one.staged_path
    return frame.page(
        "Report",
        tag("h1", f"No report of {name}"),
        tag("p", why, class_="notice", role="alert"),
        tag("p", tag("b", "Next: "), remedy),
        parts.facts([("folder", tag("code", folder) if folder else None)]),
        visitor=visitor,
        trail=_trail(model, name),
    )


def _trail(model: Model, version: str) -> tuple[tuple[str, str], ...]:
    return (
        *parts.trail(model),
        (parts.version_path(model.namespace, model.name, version), version),
    )
