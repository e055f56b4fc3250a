"""Propose a mapping of raw files, for a person to edit: tables, ids, and a kind of each column.

The proposal follows the names and the first values of the columns, so it may be wrong; each doubt
is a warning beside the column.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from recommender_contract.features import RESERVED
from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.data import schema
from recommender_training.ingestion import (
    guess,
    guess_items,
    guess_label,
    guess_roles,
    guess_shown,
    label_leakage,
)
from recommender_training.ingestion.file_preview import TablePreview
from recommender_training.ingestion.mapping import Mapping


@dataclass(frozen=True)
class Line:
    """One column of the printed table."""

    table: str
    column: str
    use: str
    distinct: int
    missing: str
    warning: str = ""


@dataclass
class Proposal:
    """A mapping in the form of `--mapping`, its format, and what to know about each column."""

    kind: Format
    mapping: dict[str, Any] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    #: Tables that the mapping leaves out: their files and columns.
    unused: list[str] = field(default_factory=list)
    _names: set[str] = field(default_factory=set)

    def note(self, table: str, column: str, values: Sequence[Any], use: str, warn: str) -> None:
        """Add a column to the printed table."""
        known = [str(value) for value in values if value is not None]
        share = f"{1 - len(known) / max(len(values), 1):.0%}"
        self.lines.append(Line(table, column, use, len(set(known)), share, warn))

    def name(self, table: str, column: str) -> str:
        """Return a free name of a feature for a column."""
        text = re.sub(r"[^a-z0-9]+", "_", column.lower()).strip("_")
        text = text if re.match(r"[a-z]", text) else f"{table[0]}_{text}"
        if text in RESERVED or text in self._names or text.startswith("last_"):
            text = f"{table.rstrip('s')}_{text}"
        name, number = text[:40], 1
        while name in RESERVED or name in self._names:
            number += 1
            name = f"{text[:36]}_{number}"
        self._names.add(name)
        return name


def propose(seen: Sequence[TablePreview]) -> Proposal:
    """Return a proposal for the tables of a source.

    Raises InputError `InvalidMapping` if no table looks like interactions.
    """
    events = guess_roles.interactions_table(seen)
    result = Proposal(events.kind)
    others = [each for each in seen if each is not events and each.kind is events.kind]
    of_events = {of: events.columns[_found(events)[of]] for of in ("user", "item")}
    ids = {of: guess.id_kind(values) for of, values in of_events.items()}
    used = _tables(result, events, others, of_events)
    result.unused = [
        f"{each.files} (columns {', '.join(each.columns)[:200]})"
        for each in seen
        if not any(each is one for one in used)
    ]
    if "Text" in ids.values():
        result.mapping["ids"] = ids
    if events.kind is Format.CSV and events.delimiter != ",":
        result.mapping["csv"] = {"delimiter": events.delimiter}
    try:
        Mapping.model_validate(result.mapping, extra="forbid")
    except ValueError as error:
        raise InputError(
            "InvalidMapping", f"no mapping fits these files ({error}); write it yourself"
        ) from error
    return result


def _found(seen: TablePreview) -> dict[str, str]:
    return guess_roles.find_roles(seen.columns)


def _tables(
    result: Proposal,
    events: TablePreview,
    others: Sequence[TablePreview],
    ids: dict[str, list[Any]],
) -> list[TablePreview]:
    """Add all tables; return those that are used. `ids` are those of the events."""
    sides: dict[str, tuple[TablePreview, str]] = {}
    for each in others:
        if (key := _key(each, ids)) is not None:
            sides.setdefault(key[0], (each, key[1]))
    of_items = _interactions(result, events, sides.get("item"))
    for name, of in (("users", "user"), ("items", "item")):
        if of in sides:
            _side(result, name, of, *sides[of])
    if of_items:
        item = _found(events)["item"]
        kept = {column: events.columns[column] for column in (item, *of_items)}
        _side(result, "items", "item", replace(events, columns=kept), item)
    return [events, *(table for table, _ in sides.values())]


def _key(seen: TablePreview, ids: dict[str, list[Any]]) -> tuple[str, str] | None:
    """Return whose key a table has, by the names of its columns or else by their values."""
    roles = _found(seen)
    named = {"user", "item"} & {*roles}
    if not named:
        return guess_items.key(seen.files, seen.columns, ids)
    (of,) = named if len(named) == 1 else (None,)
    return None if of is None else (of, roles[of])


def _interactions(
    result: Proposal, seen: TablePreview, items: tuple[TablePreview, str] | None
) -> list[str]:
    """Add the interactions; return the columns of the log that are those of items."""
    roles = _found(seen)
    section: dict[str, Any] = {"files": seen.files}
    used = ["user", "item", "timestamp"]
    section |= {role: roles[role] for role in used}
    section["timestampUnit"] = guess.unit(seen.columns[roles["timestamp"]])
    warnings = {roles["timestamp"]: f"check the unit {section['timestampUnit']}"}
    if guess_roles.sessions_are_users(roles):
        warnings[roles["user"]] = "no column of users has values, so each session is a user"
    if (shown := guess_shown.find_shown(seen.columns, roles)) is not None:
        roles["eventType"] = roles["value"]
        used.append("eventType")
        section, result.mapping["label"] = section | shown.section, shown.label
        warnings[roles["value"]] = shown.why
    elif "value" in roles:
        used.append("value")
        section["value"] = roles["value"]
        numbers = [guess.number(value) for value in seen.columns[roles["value"]]]
        known = [number for number in numbers if number is not None]
        if known and {*known} <= {0.0, 1.0}:
            section |= {"lowest": 0, "highest": 1}
        elif known and (min(known) < 1 or max(known) > 5) and min(known) < max(known):
            section |= {"lowest": min(known), "highest": max(known)}
        warnings[roles["value"]] = "check lowest and highest; 4 or more of 5 is positive"
        outcome = _outcome(section, seen, None)
        if outcome is not None and False not in outcome.positive:
            result.mapping["label"], warnings[roles["item"]] = guess_label.POSITIVES_ALONE
    elif "eventType" in roles:
        used.append("eventType")
        texts = Counter(str(each) for each in seen.columns[roles["eventType"]] if each is not None)
        ranked = sorted(texts, key=lambda text: (-texts[text], text))[:50]
        section["eventType"] = roles["eventType"]
        section["eventTypes"] = guess_label.values(ranked)
        columns = [seen.columns[roles[role]] for role in (*used[:3], "eventType")]
        short = [text for text in ranked if len(text) <= 64]
        label, reason = guess_label.label(short, list(zip(*columns, strict=True)))
        if label is not None:
            result.mapping["label"] = label
        doubts = [reason, "set the value of each type, from 1 to 5"]
        warnings[roles["eventType"]] = "; ".join(filter(None, doubts))
    else:
        result.mapping["label"], warnings[roles["item"]] = guess_label.POSITIVES_ALONE
    if "session" in roles:
        used.append("session")
        section["session"] = roles["session"]
    taken = {roles[role]: role for role in used}
    for column, role in taken.items():
        warn = warnings.get(column, "")
        result.note("interactions", column, seen.columns[column], role, warn)
    result.mapping["interactions"] = section
    outcome = _outcome(section, seen, result.mapping.get("label"))
    of_items = [
        column
        for column, values in seen.columns.items()
        if column not in taken
        and guess_items.of_item(values, seen.columns[roles["item"]], seen.columns[roles["user"]])
    ]
    if items is not None:
        for column in of_items:
            warn = f"one value for each item: left out; add it to {items[0].files}"
            result.note("interactions", column, seen.columns[column], "-", warn)
    _features(result, "interactions", seen, {*taken, *of_items}, outcome)
    return of_items if items is None else []


@dataclass(frozen=True)
class _Outcome:
    """Positive events by the proposed mapping, None where that is unknown."""

    column: str
    positive: Sequence[bool | None]


def _outcome(
    section: dict[str, Any], seen: TablePreview, label: dict[str, Any] | None
) -> _Outcome | None:
    """Return the outcome of each event that was read, None if all events are positive."""
    if "value" not in section and "eventType" not in section:
        return None
    if "value" in section:
        low, high = (
            section.get("lowest", schema.MIN_VALUE),
            section.get("highest", schema.MAX_VALUE),
        )
        span = schema.MAX_VALUE - schema.MIN_VALUE
        least = low + (schema.POSITIVE_VALUE - schema.MIN_VALUE) / span * (high - low)
        numbers = [guess.number(value) for value in seen.columns[section["value"]]]
        known = [None if number is None else number >= least for number in numbers]
        return _Outcome(section["value"], known)
    positive = {
        each["type"] for each in section["eventTypes"] if each["value"] >= schema.POSITIVE_VALUE
    }
    if label is not None:
        positive = {each["type"] for each in label["positiveTypes"]}
    texts = map(guess_shown.text, seen.columns[section["eventType"]])
    known = [None if text is None else text in positive for text in texts]
    return _Outcome(section["eventType"], known)


def _side(result: Proposal, table: str, key: str, seen: TablePreview, column_of_id: str) -> None:
    roles = _found(seen) | {key: column_of_id}
    section: dict[str, Any] = {"files": seen.files, "id": roles[key]}
    taken = {roles[key]: "id"}
    if table == "items" and "title" in roles:
        section["title"] = roles["title"]
        taken[roles["title"]] = "title"
    warnings: dict[str, str] = {}
    since, why = guess.since(seen.columns, roles[key])
    if since is not None and (table == "users" or guess.repeats(seen.columns[roles[key]])):
        section |= {"validFrom": since, "validFromUnit": guess.unit(seen.columns[since])}
        taken[since], warnings[since] = "validFrom", why
    elif since is not None:  # one row an item, whose features would be unknown before it
        taken[since] = "-"
        warnings[since] = f"{why}: left out; map it as validFrom if items get several rows"
    for column, role in taken.items():
        result.note(table, column, seen.columns[column], role, warnings.get(column, ""))
    result.mapping[table] = section
    _features(result, table, seen, {*taken})


def _features(
    result: Proposal,
    table: str,
    seen: TablePreview,
    taken: set[str],
    outcome: _Outcome | None = None,
) -> None:
    features: list[dict[str, Any]] = []
    for column, values in seen.columns.items():
        if column in taken:
            continue
        settings, warn = guess.kind(column, [value for value in values if value is not None])
        if table != "items":
            settings, warn = guess.of_requests(settings, warn, values)
        if table == "items" and "hashBuckets" in settings:  # all items share one limit
            settings, warn = guess.most_frequent(settings), "many categories"
        if settings and table == "interactions" and guess_roles.is_id(column):
            settings, warn = {}, "looks like an id: left out"
        leak = (
            label_leakage.leakage_warning(values, outcome.positive, outcome.column)
            if outcome
            else ""
        )
        if settings and leak:
            settings, warn = {}, leak
        if settings and len(features) == 50:
            settings, warn = {}, "more than 50 features: left out"
        if settings and table == "interactions":
            warn = warn or "is it known before the outcome?"
        if not 1 <= len(column) <= 64:
            settings, warn = {}, "the name of the column is longer than 64 characters: left out"
        result.note(table, column[:64], values, settings.get("kind", "-"), warn)
        if settings:
            name = result.name(table, column)
            features.append(
                {"name": name} | ({"column": column} if name != column else {}) | settings
            )
    if features:
        result.mapping[table]["features"] = features
