"""`history`: the versions of a model, the newest first."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Sequence

from recommender_kubectl import text
from recommender_kubectl.objects import Model, Version
from recommender_kubectl.text import Style

_EPOCH = datetime.datetime.min.replace(tzinfo=datetime.UTC)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A version in the history."""

    version: str
    #: champion, candidate, previous or empty.
    role: str
    outcome: str
    reason: str
    created_at: datetime.datetime | None
    decided_at: datetime.datetime | None
    auc: float | None
    data_version: str | None
    trigger: str


def of_model(model: Model, versions: Sequence[Version]) -> list[Entry]:
    """Return the history of a model."""
    roles = {
        model.previous: "previous",
        model.candidate: "candidate",
        model.champion: "champion",
    }
    newest = sorted(versions, key=lambda one: (one.created_at or _EPOCH, one.name), reverse=True)
    return [
        Entry(
            version=one.name,
            role=roles.get(one.name, ""),
            outcome=one.decision.outcome if one.decision else one.stage,
            reason=one.decision.reason if one.decision else "",
            created_at=one.created_at,
            decided_at=one.decision.at if one.decision else None,
            auc=one.metrics.get("auc"),
            data_version=one.data_version,
            trigger=one.trigger,
        )
        for one in newest
    ]


def render(entries: Sequence[Entry], style: Style, now: datetime.datetime) -> list[str]:
    """Return the history as a table."""
    rows = [
        (
            one.version,
            one.role,
            style.word(one.outcome),
            one.reason,
            text.ago(one.created_at, now),
            text.ago(one.decided_at, now),
            text.number(one.auc),
            one.data_version or text.NOTHING,
            one.trigger,
        )
        for one in entries
    ]
    header = ["VERSION", "ROLE", "OUTCOME", "REASON", "CREATED", "DECIDED", "AUC", "DATA"]
    return text.table([*header, "TRIGGER"], rows, style)
