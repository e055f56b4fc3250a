"""Pages with a form that changes something, and pages for what went wrong."""

from __future__ import annotations

from recommender_console.actions import Action
from recommender_console.markup import Markup, tag
from recommender_console.pages import frame, parts
from recommender_console.pages.frame import Visitor
from recommender_kubectl.objects import Model


def confirm(
    model: Model,
    action: Action,
    summary: str,
    digest: str,
    to: str,
    visitor: Visitor,
    *,
    changed: bool,
) -> str:
    """Return the confirmation of an action; `changed`: the model is not the confirmed one."""
    path = parts.model_path(model.namespace, model.name)
    again = tag(
        "p", "The model has changed since you looked at it. Nothing was done: look again.",
        class_="notice", role="alert",
    )  # fmt: skip
    form = tag(
        "form",
        parts.hidden("ticket", visitor.ticket),
        parts.hidden("seen", digest),
        parts.hidden("to", to) if to else None,
        tag("button", action.label, type="submit", id="confirm",
            class_="grave" if action.grave else None),
        parts.link(path, "Cancel"),
        method="post",
        action=f"{path}/actions/{action.verb}",
        class_="confirm",
    )  # fmt: skip
    return frame.page(
        f"{action.label}?",
        tag("h1", f"{action.label}: {model.name}?"),
        again if changed else None,
        tag("p", tag("b", summary[:1].upper() + summary[1:]), ". ", action.effect),
        parts.facts([
            ("Model", f"{model.namespace}/{model.name}"),
            ("Stage", parts.badge(model.stage)),
            ("Champion", _arm(model.champion, model.champion_weight)),
            ("Candidate", _arm(model.candidate, model.candidate_weight)),
            ("resourceVersion", tag("code", model.resource_version)),
        ]),
        form,
        visitor=visitor,
        trail=(("/", "Models"), (path, model.name)),
    )  # fmt: skip


def refused(model: Model, action: Action, why: str, visitor: Visitor) -> str:
    """Return the page for an action that makes no sense now."""
    path = parts.model_path(model.namespace, model.name)
    return frame.page(
        f"{action.label}: not now",
        tag("h1", f"{action.label}: not now"),
        tag("p", why, class_="notice"),
        tag("p", parts.link(path, f"Back to {model.name}")),
        visitor=visitor,
        trail=(("/", "Models"), (path, model.name)),
    )


def login(next_: str, said: str) -> str:
    """Return the page for a visitor without a token."""
    field = tag(
        "input", type="password", name="token", id="token", required="", autocomplete="off",
        maxlength="12000", spellcheck="false", aria_describedby="token-help",
        aria_invalid="true" if said else None,
    )  # fmt: skip
    return frame.page(
        "Sign in",
        tag("h1", "Sign in"),
        tag("p", said, class_="notice", role="alert") if said else None,
        tag(
            "form",
            tag("label", "Bearer token of the cluster", for_="token"),
            field,
            tag("p", "The console acts with the rights of this token and with no others. For "
                "example: ", tag("code", "kubectl create token NAME --duration=8h"),
                id="token-help", class_="note"),
            parts.hidden("next", next_),
            tag("button", "Sign in", type="submit"),
            method="post",
            action="/login",
            class_="login",
        ),
        visitor=None,
    )  # fmt: skip


def bounce(path: str) -> str:
    """Return a page that opens itself again, as a request of this site.

    Browsers keep a SameSite=Strict cookie back from a request that another site's link started.
    """
    return (
        "<!doctype html>\n"
        + tag(
            "html",
            tag(
                "head",
                tag("meta", charset="utf-8"),
                tag("title", "Recommenders"),
                tag("meta", http_equiv="refresh", content=f"0; url={path}"),
            ),
            tag("body", tag("p", parts.link(path, "Continue"))),
            lang="en",
        ).source
        + "\n"
    )


def problem(title: str, said: str, visitor: Visitor | None) -> str:
    """Return the page for an error."""
    return frame.page(
        title,
        tag("h1", title),
        tag("p", said, class_="notice", role="alert"),
        tag("p", parts.link("/", "All models")),
        visitor=visitor,
    )


def _arm(name: str | None, weight: int | None) -> Markup | None:
    if name is None:
        return None
    return tag("span", name if weight is None else f"{name}, {weight} %")
