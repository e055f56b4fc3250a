"""The condition ErasuresComplete: what may still have users whose erasure was accepted.

The collector says how far the files, the lakes and the append-only file of its store are. A
version that was created before the newest list of erasures may have learned from these users, so
its artifact counts until it is removed. No user is named.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from recommender_operator.api.conditions import ConditionType, Reason
from recommender_operator.context import Context, Outcome
from recommender_operator.observed import VersionObject

KIND = ConditionType.ERASURES_COMPLETE
#: Maximum number of versions in the message; it has only the number of the others.
MAX_NAMED = 3
_PLACES = {
    "files": "the files of the writer",
    "lake": "a lake that reads them",
    "aof": "the append-only file of the store",
}


def set_erasures_complete(ctx: Context, out: Outcome) -> None:
    """Set ErasuresComplete."""
    reading = ctx.observed.erasures
    if reading is None:
        return
    problem = reading.error or _problem(reading.body)
    if problem:
        message = f"how far erasures of users are is not known: {problem}"
        out.condition(KIND, "Unknown", Reason.NOT_REPORTED, message)
        return
    body: Mapping[str, Any] = reading.body
    found = _open(ctx, body)
    older = _older(ctx, body["listed"])
    messages = [*found, *older]
    if messages:
        reason = Reason.OPEN if found else Reason.ARTIFACT_OLDER_THAN_ERASURE
        out.condition(KIND, "False", reason, ". ".join(messages))
        return
    out.condition(KIND, "True", Reason.ERASED, "nothing has a user whose erasure was accepted")


def _problem(body: Mapping[str, Any]) -> str:
    """Return why an answer says nothing."""
    if body.get("reported") is False:
        return (
            "the writer has not reported: its log says why, or it keeps no files "
            "(collector.writer.files)"
        )
    times = [body.get(name, "") for name in (*_PLACES, "listed")]
    valid = type(body.get("users")) is int and all(map(_is_time, times))
    if not valid or type(body.get("behind")) is not bool:
        return "the collector's answer is not valid: it may be of another release"
    if body["behind"]:
        return "the writer is behind the log, which may have erasures: its log says why"
    return ""


def _is_time(value: object) -> bool:
    return value is None or (type(value) in (int, float) and 0 <= value < 1e11)  # type: ignore[operator]


def _open(ctx: Context, body: Mapping[str, Any]) -> list[str]:
    """Return where an erasure has not ended, since when, and the remedy."""
    since = {name: body[name] for name in _PLACES if body[name] is not None}
    if not since:
        return []
    where = ", ".join(f"{_PLACES[name]} since {_text(at)}" for name, at in since.items())
    users = f" ({body['users']} users in the files)" if body["users"] else ""
    remedy = {
        "files": "the writer goes on by itself, and its log says what stops it",
        "lake": f"kubectl recommender retrain {ctx.model.name} checks the data and trains",
        "aof": "the writer lets the store rewrite it once an hour",
    }
    return [
        f"erased users may still be in {where}{users}: "
        + "; ".join(remedy[name] for name in since)
    ]


def _older(ctx: Context, listed: float | None) -> list[str]:
    """Return which versions were created before the newest erasure, and the remedy."""
    if listed is None:
        return []
    found = [
        version.name
        for version in sorted(ctx.versions.values(), key=lambda each: each.name)
        if (version.status.artifact or version.status.staged)
        and _trained_before(ctx, version, _moment(listed))
    ]
    if not found:
        return []
    more = len(found) - MAX_NAMED
    named = ", ".join(found[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")
    champion = ctx.champion
    remedy = (
        f"kubectl recommender retrain {ctx.model.name} makes a champion without them; artifacts "
        "of former versions go with the versions, by history.limit or kubectl delete modelversion"
    )
    serves = f" ({champion.name} serves)" if champion and champion.name in found else ""
    return [
        f"the artifacts of {named} may have learned from users who were erased by "
        f"{_text(listed)}{serves}: {remedy}"
    ]


def _trained_before(ctx: Context, version: VersionObject, moment: datetime.datetime) -> bool:
    """Return whether the data of a version may be from before a moment.

    A recalibrated version has the network of another one, which may be gone.
    """
    lineage = version.status.lineage
    if lineage is not None and lineage.recalibrated_from is not None:
        source = ctx.versions.get(lineage.recalibrated_from)
        return source is None or _trained_before(ctx, source, moment)
    return version.created_at is None or version.created_at <= moment


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def _text(seconds: float) -> str:
    return _moment(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
