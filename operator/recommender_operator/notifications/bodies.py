"""The requests that tell a fact: for Slack, for any webhook (JSON), for Alertmanager."""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
from typing import Any
from urllib.parse import quote

from recommender_operator.notifications.facts import Fact, FactKind
from recommender_operator.notifications.receivers import Receiver, ReceiverType

#: Characters of an explanation; the console has all of it.
MAX_TEXT = 1_500
SCHEMA = "recommender.dev/notification/v1"
#: Time after which Alertmanager counts a decision as over. What lasts has rules of Prometheus.
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
    FactKind.DRIFTED: "has drifted",
    FactKind.WAITING: "waits for a person",
}
_WARNINGS = frozenset(_TITLES) - {FactKind.PROMOTED, FactKind.EXPERIMENT_DECIDED}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Message:
    """A request without its address."""

    id: str
    #: What is appended to the address.
    path: str
    body: bytes


def message(receiver: Receiver, fact: Fact, console: str, now: datetime.datetime) -> Message:
    """Return the request that tells a receiver a fact; `console` is a base URL or empty."""
    name = message_id(receiver, fact)
    match receiver.type:
        case ReceiverType.SLACK:
            return Message(id=name, path="", body=_json({"text": slack_text(fact, console)}))
        case ReceiverType.WEBHOOK:
            return Message(id=name, path="", body=_json(webhook(fact, console, name)))
        case ReceiverType.ALERTMANAGER:
            return Message(id=name, path=ALERTS, body=_json([alert(fact, console, now)]))


def message_id(receiver: Receiver, fact: Fact) -> str:
    """Return the id of a notification, which is the same at each try and of each leader."""
    return "msg_" + hashlib.sha256(f"{receiver.name}\0{fact.id}".encode()).hexdigest()[:32]


def title(fact: Fact) -> str:
    """Return the fact in one line."""
    subject = f"{fact.version} of {fact.model}" if fact.version else fact.model
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
    mark = ":warning:" if fact.kind in _WARNINGS else ":white_check_mark:"
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


def alert(fact: Fact, console: str, now: datetime.datetime) -> dict[str, Any]:
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
    return "warning" if fact.kind in _WARNINGS else "info"


def _label(name: str) -> str:
    return "Console" if name == "page" else name.capitalize()


def _plain(text: str) -> str:
    """Return a text that mentions nobody and links nowhere: parts of it come from Jobs."""
    for special, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("@", "@\u200b")):
        text = text.replace(special, instead)
    return text


def _short(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _time(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(body: object) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
