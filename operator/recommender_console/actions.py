"""Actions of a visitor, and the validity of a confirmation if the model has changed since.

Whether a request makes sense, its patch and its words are those of the kubectl plugin.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence

from recommender_kubectl import requests
from recommender_kubectl.objects import Model, Version
from recommender_kubectl.requests import Maker, RefusedError, Request


@dataclasses.dataclass(frozen=True, kw_only=True)
class Action:
    """A button."""

    verb: str
    label: str
    #: What happens, for the confirmation.
    effect: str
    #: It takes traffic from a version, or stops its rollout.
    grave: bool = False


ACTIONS = (
    Action(
        verb="promote",
        label="Promote",
        effect="The candidate receives all requests at once and becomes the champion, without its "
        "remaining steps.",
        grave=True,
    ),
    Action(
        verb="abort",
        label="Abort",
        effect="The candidate loses its requests, and the champion serves alone.",
        grave=True,
    ),
    Action(
        verb="rollback",
        label="Roll back",
        effect="An earlier version becomes the champion and receives all requests.",
        grave=True,
    ),
    Action(
        verb="retrain",
        label="Retrain",
        effect="The current spec is trained again, on the data as it is now.",
    ),
    Action(
        verb="pause",
        label="Pause",
        effect="Nothing starts while the model is paused. A failing candidate is still rolled "
        "back.",
    ),
    Action(verb="resume", label="Resume", effect="Trainings and rollouts go on."),
    Action(
        verb="unlock",
        label="Unlock",
        effect="The lock is released, and the version of the spec is tried again.",
    ),
)
BY_VERB = {action.verb: action for action in ACTIONS}

_MAKERS: dict[str, Maker] = {
    "promote": requests.promote,
    "abort": requests.abort,
    "retrain": requests.retrain,
    "pause": requests.pause,
    "resume": requests.resume,
    "unlock": requests.unlock,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Offer:
    """An action, and why it makes no sense now; empty if it does."""

    action: Action
    refusal: str


def offers(model: Model, versions: Sequence[Version]) -> list[Offer]:
    """Return all actions on a model, each with what speaks against it."""
    found = []
    for action in ACTIONS:
        try:
            make(action.verb, None)(model, versions, "")
        except RefusedError as error:
            found.append(Offer(action=action, refusal=str(error)))
        else:
            found.append(Offer(action=action, refusal=""))
    return found


def make(verb: str, to: str | None) -> Maker:
    """Return the maker of the request for a verb; `to` is the version of a rollback."""
    return requests.roll_back(to) if verb == "rollback" else _MAKERS[verb]


def confirmed(model: Model, request: Request) -> str:
    """Return a digest of what a confirmation is about.

    The operator writes the status of a model during a rollout every few seconds, and with it the
    resourceVersion. A confirmation outlives these writes as long as it would have read the same.
    """
    facts = (
        request.summary, model.generation, model.champion, model.candidate, model.previous,
        model.paused, model.locked, model.rollback_to,
    )  # fmt: skip
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]
