"""Whether this installation allows what the spec names: the condition Accepted.

The lifecycle goes on meanwhile; only what is refused is left undone, in its own phase or adapter.
"""

from __future__ import annotations

from recommender_operator.api import base_url
from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.api.spec import Provider
from recommender_operator.phases.turn import Turn


def step(turn: Turn) -> None:
    """Say each refusal once, with its remedy; the first one gives the reason."""
    refusals = list(_refusals(turn))
    if not refusals:
        message = "this installation allows the host and the addresses of the spec"
        turn.condition(ConditionType.ACCEPTED, "True", Reason.ACCEPTED, message)
        return
    reason, message = refusals[0][0], ". ".join(message for _, message in refusals)
    if turn.condition(ConditionType.ACCEPTED, "False", reason, message):
        turn.warn(reason, message)


def _refusals(turn: Turn) -> list[tuple[Reason, str]]:
    hosting = turn.hosting
    found = [] if hosting.reason is None else [(hosting.reason, hosting.message)]
    return found + _refused_server(turn)


def _refused_server(turn: Turn) -> list[tuple[Reason, str]]:
    analysis = turn.spec.analysis
    if analysis.provider is not Provider.PROMETHEUS or analysis.prometheus_url is None:
        return []
    allowed = turn.observed.platform.prometheus_urls
    refusal = base_url.refusal(analysis.prometheus_url, allowed)
    return [(Reason.PROMETHEUS_NOT_ALLOWED, refusal)] if refusal else []
