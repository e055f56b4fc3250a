"""Who has signed in: the tokens stay in this process, browsers get a random id."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections import OrderedDict
from dataclasses import dataclass, field

#: Seconds: without a request, and in all.
IDLE, LONGEST = 3600.0, 8 * 3600.0
#: Sessions at a time; a new one ends the one that was idle for the longest time.
MOST = 1000


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

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[str, Session] = OrderedDict()

    def open(self, token: str, user: str, now: float) -> Session:
        """Begin a session; it ends with its token at the latest."""
        ends_at = min(now + LONGEST, expiry(token) or now + LONGEST)
        session = Session(
            id=secrets.token_urlsafe(32), token=token, user=user, ends_at=ends_at,
            idle_at=now + IDLE,
        )  # fmt: skip
        self._known[session.id] = session
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return session

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
