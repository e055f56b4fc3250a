"""Check raw events against the declaration: pure, and fast for valid events.

Every problem names the field, the value and the remedy.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from recommender_collector.domain.checks import InvalidEvent, label
from recommender_collector.domain.declaration import Model
from recommender_collector.domain.events import Event, Id
from recommender_collector.domain.fields import (
    KINDS,
    MAX_EVENT_ID,
    context_of,
    id_of,
    items_of,
    path_of,
    query_of,
    time_of,
    value_of,
)
from recommender_collector.domain.impression_fields import (
    EXPLORED,
    EXPOSURE_FIELDS,
    HOLDOUT,
    INTERLEAVED,
    LABEL_SEGMENTS,
    OF_GROUP,
    PROBABILITIES,
    SERVED,
    explored_of,
    exposure_of,
    group_of,
    interleaved_of,
    label_segments_of,
    of_group_of,
    probabilities_of,
    served_of,
)
from recommender_collector.domain.pseudonyms import HEX_DIGITS, is_pseudonym
from recommender_contract.events import Kind
from recommender_contract.ids import IdKind
from recommender_contract.resource.feature import Feature

FIELDS = (
    "id", "kind", "model", "user", "item", "items", "time", "value", "request", "session",
    "query", "context", "version", "path", "hashed", *EXPOSURE_FIELDS, PROBABILITIES, EXPLORED,
    HOLDOUT, LABEL_SEGMENTS, INTERLEAVED, SERVED, OF_GROUP,
)  # fmt: skip
_FIELDS = frozenset(FIELDS)


#: Returns the id of a request without its proof, and whether it has one of this user's; None if
#: nobody can know.
Proof = Callable[[str, Id], tuple[str, bool | None]]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is accepted for one model. `pseudonym` maps a user id to the one that is stored."""

    model: Model
    pseudonym: Callable[[str], str] | None = None
    source: str | None = None  # of all events of a request, if the caller has shown a key
    proof: Proof | None = None
    #: Of the context, by name.
    features: Mapping[str, Feature] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        features = {each.name: each for each in self.model.mapping.of_context}
        object.__setattr__(self, "features", features)


def event_of(raw: object, rules: Rules, now: float) -> Event:
    """Return the valid event of an object decoded from JSON.

    Args:
        raw: the object.
        rules: of the event's model.
        now: time of receipt, in seconds since 1970. It is the time of an event without one, and
            of an event that is ahead by no more than `maxAheadSeconds`.

    Raises:
        InvalidEvent: with the first field that is wrong.
    """
    if not isinstance(raw, dict):
        raise InvalidEvent("event", raw, "give an object")
    if not _FIELDS.issuperset(raw):
        raise _unknown(raw)
    get = raw.get
    named, id_ = get("kind"), get("id")
    kind = KINDS.get(named) if isinstance(named, str) else None
    if kind is None:
        raise InvalidEvent("kind", named, f"give one of {', '.join(Kind)}")
    if id_ is None:
        raise InvalidEvent("id", None, "it is required: give a text that no other event has")
    id_ = label("id", id_, MAX_EVENT_ID)
    ids = rules.model.mapping.ids
    user = user_of(get("user"), rules, get("hashed"))
    items = items_of(raw, kind, ids.item)
    request, session, context = get("request"), get("session"), get("context")
    version, path = get("version"), get("path")
    exposure = exposure_of(raw, kind)
    proven = None
    if request is not None:
        request = label("request", request)
        if rules.proof is not None:
            request, proven = rules.proof(request, user)
    return Event(
        id_,
        kind,
        user,
        items,
        time_of(get("time"), rules.model, now),
        value_of(get("value"), kind),
        request,
        None if session is None else label("session", session),
        query_of(get("query"), kind),
        None if context is None else context_of(context, rules.features),
        None if version is None else label("version", version),
        None if path is None else path_of(path),
        exposure,
        probabilities_of(get(PROBABILITIES), kind, len(items), rules.model),
        explored_of(get(EXPLORED), kind, items, partial(id_of, kind=ids.item)),
        group_of(get(HOLDOUT), kind),
        label_segments_of(get(LABEL_SEGMENTS), kind, rules.model),
        interleaved_of(get(INTERLEAVED), kind, len(items)),
        served_of(get(SERVED), kind, exposure),
        of_group_of(get(OF_GROUP), len(items), exposure),
        rules.source,
        proven,
    )


def user_of(value: object, rules: Rules, hashed: object = None) -> Id:
    """Return the id of a user as it is stored.

    `hashed` is true for an id as the models know it; without `hashUsers` that is every id.

    Raises:
        InvalidEvent: it is not an id of the declared kind, or is no hash where it should be one.
    """
    user = id_of("user", value, rules.model.mapping.ids.user)
    if hashed not in (None, True, False):
        raise InvalidEvent("hashed", hashed, "give true or false")
    if rules.pseudonym is None or not isinstance(user, str):
        return user
    if not hashed:
        return rules.pseudonym(user)
    if not is_pseudonym(user):
        raise InvalidEvent(
            "user", user, f"with hashed, give the {HEX_DIGITS} hex digits of its hash"
        )
    return user


def user_of_text(text: str, rules: Rules) -> Id:
    """Return the id of a user as it is stored, from a path or a command line.

    Raises:
        InvalidEvent: it is not an id of the declared kind.
    """
    is_number = rules.model.mapping.ids.user is IdKind.INTEGER and text.isdecimal()
    return user_of(int(text) if is_number and len(text) <= 18 else text, rules)


def _unknown(raw: Mapping[Any, Any]) -> InvalidEvent:
    name = str(next(key for key in raw if key not in _FIELDS))[:100]
    close = difflib.get_close_matches(name, FIELDS, 1)
    meant = f"did you mean {close[0]}? " if close else ""
    return InvalidEvent(name, raw.get(name), f"{meant}the fields are {', '.join(FIELDS)}")
