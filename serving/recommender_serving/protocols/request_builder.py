"""Build a request from its fields, which both protocols share: pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from recommender_contract.ids import IdKind
from recommender_serving.domain.callers import Verified
from recommender_serving.domain.features import Value
from recommender_serving.domain.selection import Selection
from recommender_serving.domain.types import NOBODY, RecommendRequest, SessionEvent
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.validation import MAX_SESSION_ID, Problems

_WHOLE = re.compile(r"-?[0-9]{1,19}")
#: Item, seconds since 1970 or None, and value of an event as given.
RawEvent = tuple[int, int | None, float]


@dataclass(frozen=True, slots=True)
class ParsedCall:
    """One call: limits, time in seconds since 1970, the problems found so far, and its user."""

    limits: Limits
    now: int
    problems: Problems
    verified: Verified | None = None  # None: callers are believed


def request_of(
    prefix: str,
    fields: Mapping[str, object],
    session: Sequence[RawEvent],
    features: Mapping[str, Value],
    selection: Selection,
    call: ParsedCall,
) -> RecommendRequest | None:
    """Return the request; None if the call has a problem, which the caller reports.

    `prefix` is the path of the fields in messages.
    """
    limits, problems = call.limits, call.problems
    given = _user_of(f"{prefix}user_id", fields.get("user_id"), call)
    user_id = problems.user(f"{prefix}user_id", given)
    if given is None:
        if not (session or selection.seeds):
            remedy = "give the user id, or a session or seed items to go by"
            problems.add(f"{prefix}user_id", None, remedy)
        user_id = NOBODY
    session_id = problems.text(f"{prefix}session_id", fields.get("session_id"), MAX_SESSION_ID)
    timestamp = problems.timestamp(f"{prefix}timestamp", fields.get("timestamp"))
    remedy = f"give a whole number from 1 to {limits.max_top_n}"
    top_n = problems.integer(f"{prefix}top_n", fields.get("top_n"), 1, limits.max_top_n, remedy)
    if user_id is None or problems.found:
        return None
    at = call.now if timestamp is None else timestamp
    dated = any(time is not None for _, time, _ in session)
    return RecommendRequest(
        user_id=user_id,
        timestamp=at,
        top_n=limits.default_top_n if top_n is None else top_n,
        session=_ordered(session, at) + _as_events(selection, at),
        features=features,
        selection=selection,
        session_id=session_id,
        user_text=_text(given),
        derived=len(selection.seeds) + (0 if dated else len(session)),
    )


def _user_of(path: str, given: object, call: ParsedCall) -> object:
    """Return the user of a request as it is given, or the one whom the Gateway has verified."""
    verified, problems = call.verified, call.problems
    if verified is None:
        return given
    if verified.user is None:
        if given is not None:
            remedy = f"no user is verified: send a token, so that {verified.header} is set, or "
            problems.add(path, given, f"{remedy}leave user_id out")
        return None
    own: object = verified.user
    if problems.kinds.user is IdKind.INTEGER and _WHOLE.fullmatch(verified.user):
        own = int(verified.user)
    remedy = "let the Gateway set it once, to the id of the user in visible ASCII without a comma"
    if not verified.is_valid:
        problems.add(verified.header, verified.user, remedy)
        return None
    user = problems.user(verified.header, own)
    asked = problems.user(path, given)
    if user is not None and asked is not None and user != asked:
        why = f"{verified.header} names another user: leave user_id out, or give the user's own"
        problems.add(path, given, why)
    return own


def _text(valid: object) -> str | None:
    """Return a valid id if it is a text."""
    if isinstance(valid, bytes):
        return valid.decode()
    return valid if isinstance(valid, str) else None


def _as_events(selection: Selection, at: int) -> tuple[SessionEvent, ...]:
    """Return seed items as the newest events, which is what the models go by most."""
    return tuple(SessionEvent(item, max(0, at - 1)) for item in selection.seeds)


def _ordered(events: Sequence[RawEvent], now: int) -> tuple[SessionEvent, ...]:
    """Order a session by time; one without times happened just before the request."""
    count = len(events)
    dated = [
        SessionEvent(item, max(0, now - count + index) if at is None else at, value)
        for index, (item, at, value) in enumerate(events)
    ]
    return tuple(sorted(dated, key=lambda event: event.timestamp))
