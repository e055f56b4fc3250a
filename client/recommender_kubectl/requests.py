"""Requests to a model: whether they make sense now, the patch, and when they are carried out.

The operator has the last word and writes its answer to the status. What is checked here is what a
person should hear at once, instead of an annotation that is refused later.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from recommender_contract.api_names import request_annotation
from recommender_kubectl.objects import Model, Version


class RefusedError(Exception):
    """The request makes no sense now; the text has the reason and the remedy."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Request:
    """A change of a model that asks the operator for something."""

    #: A merge patch. It names the resourceVersion that the check was made on, so that a model that
    #: has changed since is checked again.
    patch: dict[str, Any]
    #: What is requested, for people.
    summary: str
    #: Action and token of the annotation; None if the spec is changed.
    asked: tuple[str, str] | None = None
    #: Version that must be the champion before a promotion is complete.
    promotes: str | None = None


@dataclasses.dataclass(frozen=True)
class Answer:
    """The operator's answer to a request."""

    done: bool
    message: str


#: Makes a request from the model, its versions and a token that no other request has.
Maker = Callable[[Model, Sequence[Version], str], Request]


def promote(model: Model, versions: Sequence[Version], token: str) -> Request:
    """Skip the remaining steps of the candidate."""
    _must_not_be_paused(model, "promoted")
    if model.rollback_to:
        raise RefusedError(f"spec.rollbackTo pins {model.rollback_to}: remove it first")
    candidate = _candidate(model, versions, "nothing to promote")
    if candidate.stage != "Canary" or not candidate.gates_held or not candidate.smoke_passed:
        raise RefusedError(
            f"{candidate.name} ({candidate.stage}) has not passed gates and smoke inference yet: "
            f"`kubectl recommender watch {model.name}` follows it"
        )
    return _annotate(
        model, "promote", token, f"promotion of {candidate.name}", promotes=candidate.name
    )


def abort(model: Model, versions: Sequence[Version], token: str) -> Request:
    """Roll the candidate back."""
    candidate = _candidate(model, versions, "nothing to abort")
    return _annotate(model, "abort", token, f"rollback of the candidate {candidate.name}")


def unlock(model: Model, versions: Sequence[Version], token: str) -> Request:
    """Release the lock, and try the version of the spec again."""
    _must_not_be_paused(model, "tried again")
    failed = any(one.stage in ("Failed", "Rejected", "RolledBack") for one in versions)
    if not model.locked and not failed:
        raise RefusedError("the model is not locked, and no version has failed: nothing to retry")
    what = "release of the lock" if model.locked else "another attempt at the spec's version"
    return _annotate(model, "retry", token, what)


def retrain(model: Model, versions: Sequence[Version], token: str) -> Request:  # noqa: ARG001
    """Train the current spec again, on the data as it is now."""
    _must_not_be_paused(model, "trained")
    if model.rollback_to:
        raise RefusedError(f"spec.rollbackTo pins {model.rollback_to}: remove it first")
    if model.locked:
        raise RefusedError(f"the model is locked: `kubectl recommender unlock {model.name}`")
    if model.candidate:
        raise RefusedError(
            f"{model.candidate} is on its way: `kubectl recommender abort {model.name}` ends it"
        )
    if not model.champion:
        raise RefusedError("there is no champion yet, whose spec a retraining repeats")
    return _annotate(model, "retrain", token, f"retraining of {model.name}")


def roll_back(to: str | None) -> Maker:
    """Return the maker of a request for an earlier version: the named or the previous one."""

    def make(model: Model, versions: Sequence[Version], token: str) -> Request:
        if model.rollback_to:
            raise RefusedError(
                f"spec.rollbackTo pins {model.rollback_to}: change or remove it instead"
            )
        if to is None and model.candidate:
            raise RefusedError(
                f"{model.candidate} is on its way and {model.champion or 'nothing'} serves: "
                f"`kubectl recommender abort {model.name}` ends it; --to names a version to go "
                "back to"
            )
        target = to or model.previous
        choice = _choice(model, versions)
        if target is None:
            raise RefusedError(f"there is no previous version; {choice}")
        _must_be_restorable(model, versions, target, choice)
        return _annotate(model, "rollback-to", f"{target}#{token}", f"rollback to {target}")

    return make


def pause(model: Model, versions: Sequence[Version], token: str) -> Request:  # noqa: ARG001
    """Stop progress. A failing candidate is still rolled back."""
    if model.paused:
        raise RefusedError("the model is paused already")
    return _change_spec(model, {"paused": True}, "pause")


def resume(model: Model, versions: Sequence[Version], token: str) -> Request:  # noqa: ARG001
    """End a pause."""
    if not model.paused:
        raise RefusedError("the model is not paused")
    return _change_spec(model, {"paused": False}, "end of the pause")


def answer(request: Request, generation: int, model: Model) -> Answer | None:
    """Return the operator's answer to a request; None while there is none.

    `generation` is that of the model after the patch.
    """
    if request.asked is None:
        seen = model.observed_generation >= generation
        return Answer(True, f"the model is {model.stage}") if seen else None
    action, token = request.asked
    handled = next((h for h in model.handled if (h.action, h.token) == (action, token)), None)
    if handled is None:
        return None
    if handled.refused or request.promotes is None:
        return Answer(not handled.refused, handled.result)
    if model.champion == request.promotes:
        return Answer(True, f"{request.promotes} is the champion")
    ended = model.last_outcome
    if model.candidate != request.promotes and ended and ended.version == request.promotes:
        return Answer(False, f"{ended.version} was not promoted: {ended.summary}")
    return None


def _candidate(model: Model, versions: Sequence[Version], otherwise: str) -> Version:
    found = next((one for one in versions if one.name == model.candidate), None)
    if found is None:
        serves = f"; {model.champion} serves" if model.champion else ""
        raise RefusedError(f"there is no candidate, so there is {otherwise}{serves}")
    return found


def _must_not_be_paused(model: Model, what: str) -> None:
    if model.paused:
        raise RefusedError(
            f"the model is paused, so nothing is {what}: `kubectl recommender resume {model.name}`"
        )


def _must_be_restorable(
    model: Model, versions: Sequence[Version], target: str, choice: str
) -> None:
    version = next((one for one in versions if one.name == target), None)
    if version is None:
        raise RefusedError(f"there is no version {target!r}; {choice}")
    if target == model.champion:
        raise RefusedError(f"{target} is the champion already; {choice}")
    if target == model.candidate:
        raise RefusedError(
            f"{target} is the candidate: `kubectl recommender promote {model.name}` instead"
        )
    if not _restorable(version):
        raise RefusedError(
            f"{target} ({version.stage}) has not passed its gates or is not published; {choice}"
        )


def _restorable(version: Version) -> bool:
    return version.published and version.gates_held


def _choice(model: Model, versions: Sequence[Version]) -> str:
    serving = (model.champion, model.candidate)
    fit = sorted(one.name for one in versions if _restorable(one) and one.name not in serving)
    return f"versions to go back to: {', '.join(fit) or 'none'}"


def _annotate(
    model: Model, action: str, token: str, summary: str, *, promotes: str | None = None
) -> Request:
    patch = {
        "metadata": {
            "resourceVersion": model.resource_version,
            "annotations": {request_annotation(action): token},
        }
    }
    return Request(patch=patch, summary=summary, asked=(action, token), promotes=promotes)


def _change_spec(model: Model, spec: dict[str, Any], summary: str) -> Request:
    patch = {"metadata": {"resourceVersion": model.resource_version}, "spec": spec}
    return Request(patch=patch, summary=summary)
