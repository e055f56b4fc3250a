"""Timeline of a model, the newest first, each decision with its numbers."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from recommender_console.markup import Child, Markup, tag
from recommender_console.object_details import Asked, SeenModel, SeenVersion
from recommender_console.pages import interval_tables, parts

#: Entries on the page; the versions keep the rest.
MOST = 60


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the timeline."""

    at: datetime.datetime
    #: Empty for what concerns the model as a whole.
    version: str
    word: str
    words: str
    numbers: str = ""
    tone: str | None = None


def of_model(seen: SeenModel, versions: Sequence[SeenVersion]) -> list[Entry]:
    """Return the newest entries of a model and its versions."""
    entries = [entry for one in versions for entry in _of_version(one)]
    entries += [_of_request(one, one.at) for one in seen.asked if one.at is not None]
    entries.sort(key=lambda one: one.at, reverse=True)
    return entries[:MOST]


def render(
    entries: Sequence[Entry], namespace: str, model: str, now: datetime.datetime
) -> Markup | None:
    """Return the timeline as a list."""
    if not entries:
        return None
    lines = [_line(one, parts.version_path(namespace, model, one.version), now) for one in entries]
    return tag("ol", *lines, class_="timeline")


def _line(entry: Entry, path: str, now: datetime.datetime) -> Markup:
    named: Child = parts.link(path, entry.version) if entry.version else None
    numbers = None
    if entry.numbers:
        mark = f"numbers-{entry.version}-{entry.at:%Y%m%d%H%M%S}"
        numbers = tag(
            "details", tag("summary", "Numbers"), tag("p", entry.numbers, class_="numbers"),
            id=mark,
        )  # fmt: skip
    return tag(
        "li", parts.moment(entry.at, now), " ", parts.badge(entry.word, entry.tone), " ", named,
        tag("p", entry.words) if entry.words else None, numbers,
    )  # fmt: skip


def _of_version(seen: SeenVersion) -> Iterator[Entry]:
    version = seen.version
    if version.created_at is not None:
        yield Entry(
            at=version.created_at, version=version.name, word="Created",
            words=f"Trigger: {version.trigger}",
        )  # fmt: skip
    for one in version.steps:
        yield Entry(
            at=one.ended_at or one.started_at,
            version=version.name,
            word=one.verdict if one.ended_at else "Running",
            words=one.title + ("" if one.ended_at else f": {one.verdict} so far"),
            numbers=interval_tables.numbers_of(one),
            tone=None if one.ended_at else "waiting",
        )
    decision = version.decision
    if decision is not None and decision.at is not None:
        by = "" if seen.automatic else " (requested by a person)"
        yield Entry(
            at=decision.at,
            version=version.name,
            word=decision.outcome,
            words=f"{decision.reason}{by}: {decision.message}",
            numbers=_gates(seen),
        )


def _gates(seen: SeenVersion) -> str:
    return "; ".join(
        f"{gate.name} {gate.value:.4g} ({gate.threshold}) {'Pass' if gate.passed else 'Fail'}"
        for gate in seen.version.gates
        if gate.value is not None
    )


def _of_request(asked: Asked, at: datetime.datetime) -> Entry:
    refused = asked.result.startswith("Refused")
    return Entry(
        at=at, version="", word="Request", words=f"{asked.action}: {asked.result}",
        tone="bad" if refused else "plain",
    )  # fmt: skip
