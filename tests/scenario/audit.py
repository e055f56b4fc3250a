"""Requests of an account in the API server's audit log, compared with its RBAC rules."""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

#: Status of a server-side apply that created the object, which also needs the verb create.
CREATED = 201


@dataclasses.dataclass(frozen=True, order=True)
class Right:
    """One verb on one kind."""

    group: str
    #: The plural, with the subresource: `modelversions/status`.
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} {self.resource}" + (f" ({self.group})" if self.group else "")


@dataclasses.dataclass(frozen=True)
class Use:
    """The requests of an account."""

    #: Granted, independent of the result of the request.
    rights: frozenset[Right]
    #: Denied by RBAC or by a policy, one line each.
    refused: tuple[str, ...]


def given(rules: Iterable[Mapping[str, Any]]) -> frozenset[Right]:
    """Return the rights that the rules of a role give."""
    return frozenset(
        Right(group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


def use(lines: Iterable[str], user: str, since: datetime.datetime) -> Use:
    """Return the requests of an account since a time; `lines` are those of an audit log."""
    rights: set[Right] = set()
    refused: dict[str, None] = {}
    for event in _events(lines, user, since):
        right = _right(event)
        if reason := _refusal(event):
            refused[f"{right}: {reason}"] = None
            continue
        rights.add(right)
        if right.verb == "patch" and (event.get("responseStatus") or {}).get("code") == CREATED:
            rights.add(dataclasses.replace(right, verb="create"))
    return Use(frozenset(rights), tuple(refused))


def _events(lines: Iterable[str], user: str, since: datetime.datetime) -> Iterator[dict[str, Any]]:
    for line in lines:
        # Most lines are of other accounts: parsing them all takes seconds.
        if user not in line:
            continue
        event = json.loads(line)
        mine = event["user"]["username"] == user and "objectRef" in event
        if mine and datetime.datetime.fromisoformat(event["requestReceivedTimestamp"]) >= since:
            yield event


def _right(event: Mapping[str, Any]) -> Right:
    where = event["objectRef"]
    parts = [where["resource"], where.get("subresource")]
    resource = "/".join(part for part in parts if part)
    return Right(where.get("apiGroup", ""), resource, event["verb"])


def _refusal(event: Mapping[str, Any]) -> str:
    """Return why a request was denied; empty if it was granted or failed for another reason."""
    notes = event.get("annotations") or {}
    message = str((event.get("responseStatus") or {}).get("message", ""))
    if notes.get("authorization.k8s.io/decision") == "forbid":
        return message or "forbidden"
    return message if "ValidatingAdmissionPolicy" in message else ""


def lines_of(log: pathlib.Path) -> Iterator[str]:
    """Yield the lines of an audit log and of its rotated files.

    Raises:
        FileNotFoundError: the API server writes none; the message has the remedy.
    """
    files = sorted(log.parent.glob(f"{log.stem}*{log.suffix}"))
    if not files:
        raise FileNotFoundError(
            f"{log}: the API server writes no audit log, because it was started without one: "
            "stop it (`make cluster-down`) and repeat"
        )
    for file in files:
        with file.open(encoding="utf-8") as text:
            yield from text


def superfluous(
    allowed: frozenset[Right], used: frozenset[Right], excused: Mapping[Right, str]
) -> list[str]:
    """Return the granted rights that were neither used nor excused.

    Raises:
        ValueError: an excuse is outdated, because its right is not granted.
    """
    if stale := sorted(str(right) for right in set(excused) - allowed):
        raise ValueError(f"excused, but not granted: {', '.join(stale)}")
    return [str(right) for right in sorted(allowed - used - set(excused))]
