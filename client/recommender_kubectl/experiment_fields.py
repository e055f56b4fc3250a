"""The fields of experiments in the status of a version; whatever is absent reads as empty."""

from __future__ import annotations

import datetime
import json

from recommender_kubectl.experiment_objects import (
    Arm,
    Comparison,
    Experiment,
    Interleaving,
    Novelty,
    Phase,
    Segment,
)
from recommender_kubectl.objects import Json

#: Metrics of the items of a group.
_OF_GROUP = {"GroupExposure", "GroupExcess"}


def read_interleaving(body: Json | None) -> Interleaving | None:
    """Read status.interleaving of a version; None without one."""
    if not body:
        return None
    plan = body.get("plan", {})
    return Interleaving(
        id=body["id"],
        percent=plan.get("percent", 0),
        planned_users=plan.get("users", 0),
        started_at=read_time(body.get("startedAt")),
        unmixed_since=read_time(body.get("unmixedSince")),
        ended_at=read_time(body.get("endedAt")),
        verdict=body.get("verdict", ""),
        message=body.get("message", ""),
        users=body.get("users", 0),
        clicked=body.get("clicked", 0),
        preference=body.get("preference"),
        low=body.get("low"),
        high=body.get("high"),
    )


def read_experiment(body: Json | None, *, ended: bool) -> Experiment | None:
    """Read status.experiment of a version; None without one."""
    if not body:
        return None
    plan = body.get("plan", {})
    return Experiment(
        id=body["id"],
        weight=plan.get("weight", 0),
        goal=plan.get("goal", ""),
        mode=plan.get("mode", ""),
        min_days=plan.get("minDays", 0),
        max_days=plan.get("maxDays", 0),
        verdict=body.get("verdict", ""),
        message=body.get("message", ""),
        over=ended or body.get("final", False),
        phases=tuple(
            Phase(
                weight=one["weight"],
                since=read_time(one.get("since")),
                until=read_time(one.get("until")),
            )
            for one in body.get("phases", ())
        ),
        users=body.get("users", 0),
        planned_users=body.get("plannedUsers"),
        days_left=body.get("daysLeft"),
        counted_until=read_time(body.get("countedUntil")),
        mixed=body.get("mixed", 0),
        disagreed=body.get("disagreed", 0),
        sample_ratio_p=body.get("sampleRatioP"),
        metrics=tuple(_comparison(one) for one in body.get("metrics", ())),
        arms=tuple(_arm(one) for one in body.get("arms", ())),
        novelty=tuple(_novelty(one) for one in body.get("novelty", ())),
        segments=tuple(_segment(one) for one in body.get("segments", ())),
        interactions=tuple(one.get("message", "") for one in body.get("interactions", ())),
        seasonality=body.get("seasonality", ""),
        slower_than=plan.get("slowerThanMilliseconds") if "SlowShare" in _named(plan) else None,
        item_group=_group(plan) if _OF_GROUP & _named(plan) else "",
    )


def _named(plan: Json) -> set[str]:
    """Return the metrics of a plan."""
    return {one["metric"] for part in ("primary", "guardrails") for one in plan.get(part, ())}


def _group(plan: Json) -> str:
    group = plan.get("itemGroup") or {}
    return (
        f"{group.get('feature', '')} {' or '.join(map(json.dumps, group.get('categories', ())))}"
    )


def _arm(body: Json) -> Arm:
    return Arm(
        version=body["version"],
        withdrawn=body.get("withdrawn", ""),
        result=body.get("result", ""),
        users=body.get("users", 0),
        disagreed=body.get("disagreed", 0),
        metrics=tuple(_comparison(one) for one in body.get("metrics", ())),
    )


def _segment(body: Json) -> Segment:
    return Segment(
        feature=body["feature"],
        value=body.get("value") or "",
        name=body["metric"],
        champion=body.get("champion"),
        candidate=body.get("candidate"),
        difference=body.get("difference"),
        low=body.get("low"),
        high=body.get("high"),
        p_value=body.get("pValue"),
        champion_users=body.get("championUsers", 0),
        candidate_users=body.get("candidateUsers", 0),
        note=body.get("note", ""),
    )


def _novelty(body: Json) -> Novelty:
    return Novelty(
        name=body["metric"],
        first_day=body.get("firstDay"),
        later=body.get("later"),
        change=body.get("change"),
        low=body.get("low"),
        high=body.get("high"),
        p_value=body.get("pValue"),
        message=body.get("message", ""),
    )


def _comparison(body: Json) -> Comparison:
    return Comparison(
        name=body["metric"],
        role=body.get("role", ""),
        champion=body.get("champion"),
        candidate=body.get("candidate"),
        difference=body.get("difference"),
        low=body.get("low"),
        high=body.get("high"),
        limit=body.get("limit"),
        champion_users=body.get("championUsers", 0),
        candidate_users=body.get("candidateUsers", 0),
    )


def read_time(text: str | None) -> datetime.datetime | None:
    """Read a time; None if it is absent."""
    return datetime.datetime.fromisoformat(text) if text else None
