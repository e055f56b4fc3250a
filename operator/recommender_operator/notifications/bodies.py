"""The requests that send a fact: for Slack, for any webhook (JSON), for Alertmanager."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import re
from typing import Any
from urllib.parse import quote

from recommender_operator.notifications.facts import Fact, FactKind
from recommender_operator.notifications.receivers import Receiver, ReceiverType

#: Characters of an explanation; the console has all of it.
MAX_TEXT = 1_500
SCHEMA = "recommender.dev/notification/v1"
#: Time after which Alertmanager resolves an alert, unless it is sent again: longer than RENEW.
FIRING = datetime.timedelta(hours=1)
ALERTS = "/api/v2/alerts"
ALERT = "RecommenderNotification"
_TITLES = {
    FactKind.PROMOTED: "was promoted",
    FactKind.ROLLED_BACK: "was rolled back",
    FactKind.REJECTED: "was rejected",
    FactKind.FAILED: "failed",
    FactKind.EXPERIMENT_DECIDED: "has a decided experiment",
    FactKind.EXPERIMENT_BLOCKED: "has an experiment without a verdict",
    FactKind.ARM_WITHDRAWN: "has an experiment with one version less",
    FactKind.DRIFTED: "have drifted",
    FactKind.WAITING: "waits for a person",
}
_WARNINGS = frozenset(_TITLES) - {FactKind.PROMOTED, FactKind.EXPERIMENT_DECIDED}
#: The one verdict of a decided experiment that is good news.
_WON = "Promote"
#: What Slack and Mattermost take for markup, and what is shown instead. A zero-width space after a
#: character keeps its look and ends what it would begin: a mention, a link, a heading.
_HARMLESS = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "*": "\u2217", "~": "\u223c", "`": "'"}
    | {special: special + "\u200b" for special in "@#[]_"}
)
#: What makes a text an address: `https://`, `mailto:`, `example.com`. Numbers keep their point.
_ADDRESS = re.compile(r"(:(?=\S)|\.(?=[^\W\d])|(?<!\d)\.(?=\d))")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Message:
    """A request without its address."""

    id: str
    #: What is appended to the address.
    path: str
    body: bytes


def message(receiver: Receiver, fact: Fact, console: str, now: datetime.datetime) -> Message:
    """Return the request that sends a fact; `console` is a base URL or empty."""
    name = message_id(receiver, fact)
    match receiver.type:
        case ReceiverType.SLACK:
            return Message(id=name, path="", body=_json({"text": slack_text(fact, console)}))
        case ReceiverType.WEBHOOK:
            return Message(id=name, path="", body=_json(webhook(fact, console, name)))
        case ReceiverType.ALERTMANAGER:
            return Message(id=name, path=ALERTS, body=_json([alert(fact, console, name, now)]))


def message_id(receiver: Receiver, fact: Fact) -> str:
    """Return the id of a notification, which is the same at each try and of each leader."""
    return "msg_" + hashlib.sha256(f"{receiver.name}\0{fact.id}".encode()).hexdigest()[:32]


def title(fact: Fact) -> str:
    """Return the fact in one line."""
    subject = f"{fact.version} of {fact.model}" if fact.version else fact.model
    if fact.kind is FactKind.DRIFTED:
        subject = f"the sessions of {subject}"
    return f"{subject} in {fact.namespace} {_TITLES[fact.kind]} ({fact.reason})"


def links(fact: Fact, console: str) -> dict[str, str]:
    """Return the pages of the console by name: the fact's own, and one of each possible answer.

    A page of the console acts only after a login and a confirmation.
    """
    if not console:
        return {}
    model = f"{console.rstrip('/')}/models/{quote(fact.namespace)}/{quote(fact.model)}"
    page = f"{model}/versions/{quote(fact.version)}" if fact.version else model
    return {"page": page, **{verb: f"{model}/actions/{verb}" for verb in fact.verbs}}


def slack_text(fact: Fact, console: str) -> str:
    """Return the text for Slack, Mattermost and the like."""
    mark = ":warning:" if _severity(fact) == "warning" else ":white_check_mark:"
    lines = [f"{mark} *{_plain(title(fact))}*", _plain(_short(fact.message))]
    named = links(fact, console).items()
    lines.append(" · ".join(f"<{url}|{_label(name)}>" for name, url in named))
    return "\n".join(line for line in lines if line)


def webhook(fact: Fact, console: str, name: str) -> dict[str, Any]:
    """Return the body for a generic webhook."""
    found = links(fact, console)
    return {
        "schema": SCHEMA,
        "id": name,
        "kind": fact.kind.value,
        "severity": _severity(fact),
        "namespace": fact.namespace,
        "model": fact.model,
        "version": fact.version or None,
        "reason": fact.reason,
        "title": title(fact),
        "message": _short(fact.message),
        "at": _time(fact.at),
        "url": found.pop("page", None),
        "actions": found,
    }


def alert(fact: Fact, console: str, name: str, now: datetime.datetime) -> dict[str, Any]:
    """Return an alert of Alertmanager's API v2."""
    found = links(fact, console)
    labels = {
        # Not a name of the alerts of Prometheus, which know nothing of these.
        "alertname": ALERT,
        "kind": fact.kind.value,
        "severity": _severity(fact),
        "namespace": fact.namespace,
        "model": fact.model,
        "reason": fact.reason,
        # Equal labels are one alert: a version can be rolled back twice.
        "id": name,
        **({"version": fact.version} if fact.version else {}),
    }
    return {
        "labels": labels,
        "annotations": {"summary": title(fact), "description": _short(fact.message), **found},
        "startsAt": _time(min(fact.at, now)),
        "endsAt": _time(now + FIRING),
        **({"generatorURL": found["page"]} if found else {}),
    }


def _severity(fact: Fact) -> str:
    decided = fact.kind is FactKind.EXPERIMENT_DECIDED
    warns = fact.reason != _WON if decided else fact.kind in _WARNINGS
    return "warning" if warns else "info"


def _label(name: str) -> str:
    return "Console" if name == "page" else name.capitalize()


def _plain(text: str) -> str:
    """Return a text in one line without markup, mentions and links: parts come from Jobs."""
    return _ADDRESS.sub("\\1\u200b", " ".join(text.split())).translate(_HARMLESS)


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _time(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
