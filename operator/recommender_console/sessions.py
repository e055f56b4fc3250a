"""Sessions of signed-in visitors: tokens stay in this process, browsers get a random id."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections import Counter, OrderedDict
from dataclasses import dataclass, field

#: Seconds: without a request, and in all.
IDLE, LONGEST = 3600.0, 8 * 3600.0
#: Sessions at a time, and those of a user. A new one ends the one that was idle for the longest
#: time: of that user, or where all are too many, of the user with the most sessions.
MOST, MOST_OF_USER = 1000, 10


@dataclass(kw_only=True)
class Session:
    """A visitor who has signed in."""

    id: str = field(repr=False)
    token: str = field(repr=False)
    user: str
    ends_at: float
    idle_at: float


class Sessions:
    """All sessions; times are seconds of one clock."""

    def __init__(self, most: int = MOST, most_of_user: int = MOST_OF_USER) -> None:
        self._most = most
        self._most_of_user = most_of_user
        self._known: OrderedDict[str, Session] = OrderedDict()

    def open(self, token: str, user: str, now: float) -> Session:
        """Begin a session; it ends with its token at the latest."""
        ends_at = min(now + LONGEST, expiry(token) or now + LONGEST)
        session = Session(
            id=secrets.token_urlsafe(32), token=token, user=user, ends_at=ends_at,
            idle_at=now + IDLE,
        )  # fmt: skip
        self._known[session.id] = session
        counts = Counter(one.user for one in self._known.values())
        if counts[user] > self._most_of_user:
            self._end_one_of(user)
        elif len(self._known) > self._most:
            ((most, _),) = counts.most_common(1)
            self._end_one_of(most)
        return session

    def _end_one_of(self, user: str) -> None:
        """End the session of a user that was idle for the longest time."""
        del self._known[next(id_ for id_, one in self._known.items() if one.user == user)]

    def find(self, id_: str, now: float) -> Session | None:
        """Return a session that has not ended, and note that it is used."""
        session = self._known.get(id_)
        if session is None:
            return None
        if now >= min(session.ends_at, session.idle_at):
            del self._known[id_]
            return None
        session.idle_at = now + IDLE
        self._known.move_to_end(id_)
        return session

    def close(self, id_: str) -> None:
        """End a session."""
        self._known.pop(id_, None)

    def __len__(self) -> int:
        return len(self._known)


class Tickets:
    """Proofs that a form comes from a page that this process gave to this visitor."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def of(self, subject: str) -> str:
        """Return the ticket of a visitor: `subject` is the session's id, or the token."""
        return hmac.new(self._key, subject.encode(), hashlib.sha256).hexdigest()

    def fits(self, ticket: str, subject: str) -> bool:
        """Return whether a ticket is the visitor's."""
        return hmac.compare_digest(ticket.encode(), self.of(subject).encode())


def expiry(token: str) -> float | None:
    """Return when a JWT expires, in seconds since 1970; None for other tokens.

    The API server checks signatures. Here a forged time can only shorten one's own session.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = json.loads(base64.urlsafe_b64decode(padded))
        at = float(claims["exp"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError, binascii.Error):
        return None
    return at if at == at else None
