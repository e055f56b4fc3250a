"""Receivers of notifications and their choices. Addresses and keys are in a Secret, not here."""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from typing import Annotated

import pydantic
from pydantic import Field

from recommender_operator.notifications.facts import Fact, FactKind

MAX_RECEIVERS = 20
MAX_URL = 2_000
#: Valid in RE2 and Python: a host, and a port unless it is that of the scheme.
HOST = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$"
_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
_PORTS = {"http": 80, "https": 443}
#: Narrow, so that no two parsers disagree on the host.
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
    r"(/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)


class ReceiverType(enum.StrEnum):
    """The form of a request."""

    SLACK = "Slack"
    WEBHOOK = "Webhook"
    ALERTMANAGER = "Alertmanager"


class Receiver(pydantic.BaseModel):
    """A place to send to; its entries in the Secret begin with its name."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=_NAME)]
    type: ReceiverType
    #: All if empty.
    kinds: tuple[FactKind, ...] = ()
    #: All if empty.
    namespaces: tuple[str, ...] = ()

    def wants(self, fact: Fact) -> bool:
        """Return whether it gets a fact."""
        of_kind = not self.kinds or fact.kind in self.kinds
        return of_kind and (not self.namespaces or fact.namespace in self.namespaces)

    def repeats(self, fact: Fact) -> bool:
        """Return whether a fact is sent again while it lasts: Alertmanager resolves it if not."""
        return self.type is ReceiverType.ALERTMANAGER and fact.lasting


class AddressError(Exception):
    """An address must not be used. The message never has the address, which may be a secret."""


def checked(url: str, hosts: Collection[str]) -> str:
    """Return an address, if its host is one of the allowed `hosts` (HOST or HOST:PORT).

    Raises:
        AddressError: it is no address, or of another host.
    """
    found = _URL.fullmatch(url) if len(url) <= MAX_URL else None
    if found is None:
        raise AddressError("its address is not http(s)://HOST[:PORT]/PATH without user and '#'")
    default = _PORTS[found["scheme"]]
    host, port = found["host"].lower(), int(found["port"] or default)
    if not 1 <= port <= 65535:
        raise AddressError("the port of its address is not 1..65535")
    if f"{host}:{port}" not in hosts and (port != default or host not in hosts):
        raise AddressError(
            "the host of its address is not allowed: add it to notifications.allowedHosts"
        )
    return url
