"""The token of a request: of a session, or sent along by an authenticating proxy."""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from aiohttp import web

from recommender_console.cluster import Cluster, ClusterError
from recommender_console.pages.frame import Visitor
from recommender_console.sessions import Session, Sessions, Tickets

#: `__Host-`: only over TLS (or on localhost), for this host alone and all its paths.
COOKIE = "__Host-recommender-console"
#: RFC 6750. 12,000 characters: OIDC tokens with many groups.
TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,12000}=*")
#: Seconds that the name of a proxy's user is remembered, and names.
_NAME_SECONDS, _NAMES = 60.0, 1000


class NoTokenError(Exception):
    """The visitor has to sign in."""


@dataclass(frozen=True, kw_only=True)
class Caller:
    """The visitor of a request."""

    token: str = field(repr=False)
    #: What the visitor's tickets are made for.
    subject: str = field(repr=False)
    visitor: Visitor


class Visitors:
    """Finds the visitor of a request, and signs visitors in and out."""

    def __init__(self, cluster: Cluster, sessions: Sessions, tickets: Tickets) -> None:
        self._cluster = cluster
        self._sessions = sessions
        self._tickets = tickets
        self._names: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def find(self, request: web.Request) -> Caller:
        """Return the visitor; a proxy's token goes before a session.

        Raises:
            NoTokenError: there is none.
            ClusterError: the API server does not know the proxy's token.
        """
        given = request.headers.get("Authorization", "")
        kind, _, token = given.partition(" ")
        if kind.lower() == "bearer" and TOKEN.fullmatch(token.strip()):
            token = token.strip()
            return self._caller(token, token, await self._name(token), signs_out=False)
        session = self._sessions.find(request.cookies.get(COOKIE, ""), time.time())
        if session is None:
            raise NoTokenError
        return self._caller(session.token, session.id, session.user, signs_out=True)

    async def sign_in(self, token: str) -> Session:
        """Begin a session with a token.

        Raises:
            ClusterError: the API server does not accept it; 401 if it is no token at all.
        """
        if not TOKEN.fullmatch(token):
            raise ClusterError(401, "this is not a bearer token")
        user = await self._cluster.user(token)
        return self._sessions.open(token, user, time.time())

    def sign_out(self, request: web.Request) -> None:
        """End the session of a request."""
        self._sessions.close(request.cookies.get(COOKIE, ""))

    def is_ticket(self, ticket: str, caller: Caller) -> bool:
        """Return whether a form is one of the visitor's own."""
        return self._tickets.fits(ticket, caller.subject)

    def _caller(self, token: str, subject: str, user: str, *, signs_out: bool) -> Caller:
        visitor = Visitor(name=user, ticket=self._tickets.of(subject), signs_out=signs_out)
        return Caller(token=token, subject=subject, visitor=visitor)

    async def _name(self, token: str) -> str:
        key, now = hashlib.sha256(token.encode()).hexdigest(), time.monotonic()
        until, name = self._names.get(key, (0.0, ""))
        if now < until:
            return name
        name = await self._cluster.user(token)
        self._names[key] = (now + _NAME_SECONDS, name)
        self._names.move_to_end(key)
        while len(self._names) > _NAMES:
            self._names.popitem(last=False)
        return name
