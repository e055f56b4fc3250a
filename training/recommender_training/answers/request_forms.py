"""Requests of the endpoint's v1 format, one JSON object each, as the graphs and lists need them.

Field by field the rules are those of `recommender_serving.protocols`; a test gives both the same
bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)

from recommender_contract import ids
from recommender_contract.categories import categories_of
from recommender_contract.features import Kind
from recommender_contract.ids import IdKind, IdKinds
from recommender_training.common.section import Section, problems
from recommender_training.data.sessions import Request

#: The user of a request that names none; no model knows it.
NOBODY = -1
_INT64, _NUMBER, _VALUE = 2**63, 1e30, 1e6
_LATEST = 4_102_444_800  # 2100-01-01; milliseconds since 1971 are above it
_EARLIEST = -62_135_596_800  # the year 1
#: Characters of an error at most.
_SHOWN = 600

Seconds = Annotated[int, Field(ge=0, le=_LATEST)]
#: Categories of item features, by the name of the feature.
Rules = Mapping[str, frozenset[str]]


class BadRequestError(ValueError):
    """A request breaks the format; the message names field, value and remedy."""


@dataclass(frozen=True)
class Selection:
    """The items that a request asks for; the default is any."""

    candidates: tuple[int, ...] = ()
    excluded: frozenset[int] = frozenset()
    allow: Rules = field(default_factory=dict)
    deny: Rules = field(default_factory=dict)

    @property
    def restricts(self) -> bool:
        """Whether some items are not wanted."""
        return bool(self.candidates or self.excluded or self.allow or self.deny)


@dataclass(frozen=True)
class Asked:
    """A valid request: with numbers for ids, its session ordered by time, seeds as the newest."""

    request: Request
    selection: Selection = Selection()
    user: int | str | None = None  # as given
    seeds: frozenset[int] = frozenset()  # of the session: items that no list has


class _Form(Section):
    model_config = ConfigDict(
        strict=True, alias_generator=str, populate_by_name=False, allow_inf_nan=False
    )


class RequestReader:
    """Reads the requests of one version."""

    def __init__(
        self, vocabulary: Mapping[str, Any], kinds: IdKinds, top_n: int, now: int
    ) -> None:
        """`top_n` and `now`, in seconds since 1970, are those of requests that name none."""
        self._form = _form(vocabulary, kinds)
        self._top_n, self._now = top_n, now
        self._user, self._item = _number(kinds.user), _number(kinds.item)

    def read(self, body: bytes | str) -> Asked:
        """Read the JSON of one request; raise BadRequestError."""
        try:
            form = self._form.model_validate_json(body)
        except ValidationError as error:
            raise BadRequestError(_text(error, self._form)) from None
        given = form.model_dump(by_alias=True, exclude_none=True)
        session, seeds = given.get("session", []), given.get("seed_items", [])
        if "user_id" not in given and not (session or seeds):
            raise BadRequestError(
                "user_id: required; give the user id, or a session or seed items to go by"
            )
        now, item = given.get("timestamp", self._now), self._item
        undated = sum("timestamp" not in event for event in session)
        if 0 < undated < len(session):
            raise BadRequestError(
                f"session: {undated} of {len(session)} events without a timestamp; give every "
                "event a timestamp, or none"
            )
        events = [
            {"timestamp": max(0, now - len(session) + place), **event, "item": item(event["item"])}
            for place, event in enumerate(session)
        ]
        events.sort(key=lambda event: event["timestamp"])
        newest = [{"item": each, "timestamp": max(0, now - 1)} for each in _once(seeds, item)]
        user = given.get("user_id")
        request = {
            "user_id": NOBODY if user is None else self._user(user),
            "user": given.get("user", {}),
            "context": given.get("context", {}),
            "session": events + newest,
            "timestamp": now,
            "top_n": given.get("top_n", self._top_n),
        }
        selection = Selection(
            _once(given.get("candidate_items", ()), item),
            frozenset(map(item, given.get("excluded_items", ()))),
            *({k: frozenset(v) for k, v in given.get(r, {}).items()} for r in ("allow", "deny")),
        )
        return Asked(request, selection, user, frozenset(event["item"] for event in newest))


def _number(kind: IdKind) -> Callable[[Any], int]:
    return ids.hashed if kind is IdKind.TEXT else int


def _once(given: Sequence[Any], number: Callable[[Any], int]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(map(number, given)))


def _text(error: ValidationError, form: type[BaseModel]) -> str:
    first = error.errors(include_url=False)[0]
    if first["type"] == "json_invalid":
        return f"not JSON ({first['ctx']['error']}); give one request, a JSON object"
    return problems(error, form)[:_SHOWN]


def _form(vocabulary: Mapping[str, Any], kinds: IdKinds) -> type[BaseModel]:
    """The fields of a request of this version."""
    item, features = _id(kinds.item, is_item=True), vocabulary["features"]
    event = create_model(
        "Event",
        __base__=_Form,
        item=(item, ...),
        timestamp=(Seconds | None, None),
        value=(Annotated[float, Field(ge=-_VALUE, le=_VALUE)] | None, None),
    )
    category = Annotated[str, BeforeValidator(_named), Field(min_length=1, max_length=200)]
    rule = Annotated[list[category], Field(min_length=1, max_length=50)]
    rules = _named_fields({each["name"]: rule for each in vocabulary["items"]["features"]})
    places = {
        place: _named_fields({
            each["name"]: _value(each) | None
            for each in features
            if each["of"] == place and "servedAs" not in each
        })
        for place in ("user", "context")
    }  # fmt: skip
    items = Annotated[list[item], Field(max_length=1000)]  # type: ignore[valid-type]
    fields: dict[str, Any] = {
        "user_id": _id(kinds.user),
        **places,
        "session": Annotated[list[event], Field(max_length=500)],  # type: ignore[valid-type]
        "timestamp": Seconds,
        "top_n": Annotated[int, Field(ge=1, le=vocabulary["maxTopN"])],
        "session_id": Annotated[str, Field(min_length=1, max_length=128)],
        "seed_items": Annotated[list[item], Field(max_length=20)],  # type: ignore[valid-type]
        "candidate_items": Annotated[items, Field(min_length=1)],
        "excluded_items": items,
        "allow": rules,
        "deny": rules,
    }
    return create_model(
        "Request", __base__=_Form, **{name: (kind | None, None) for name, kind in fields.items()}
    )


def _named_fields(kinds: Mapping[str, Any]) -> type[BaseModel]:
    """A form with these fields, whatever their names: some are methods of every form."""
    fields: dict[str, Any] = {
        f"field_{place}": (kind, Field(default=None, alias=name))
        for place, (name, kind) in enumerate(kinds.items())
    }
    return create_model("Fields", __base__=_Form, **fields)


def _id(kind: IdKind, *, is_item: bool = False) -> Any:
    if kind is IdKind.TEXT:
        return Annotated[str, AfterValidator(_text_id)]
    number = Annotated[int, Field(ge=-_INT64, lt=_INT64)]
    return Annotated[number, AfterValidator(_no_padding)] if is_item else number


def _text_id(text: str) -> str:
    if (remedy := ids.fault(text)) is not None:
        raise ValueError(remedy)
    return text


def _no_padding(item: int) -> int:
    if item == -1:
        raise ValueError("-1 is reserved for the padding of sessions: leave it out")
    return item


def _named(category: object) -> object:
    return str(category).lower() if isinstance(category, bool) else category


def _value(feature: Mapping[str, Any]) -> Any:
    """The type of the values of a feature of vocabulary.json."""
    number = Annotated[float, Field(ge=-_NUMBER, le=_NUMBER)]
    match Kind(feature["kind"]):
        case Kind.NUMERIC:
            bounds = (feature.get(name) for name in ("minimum", "maximum"))
            low, high = (
                default if bound is None else bound
                for bound, default in zip(bounds, (-_NUMBER, _NUMBER), strict=True)
            )
            return Annotated[float, Field(ge=low, le=high)]
        case Kind.EMBEDDING:
            length = feature["length"]
            return Annotated[list[number], Field(min_length=length, max_length=length)]  # type: ignore[valid-type]
        case Kind.MULTI_CATEGORICAL:
            of, most = feature.get("separator"), feature["maxPerRow"]
            return Annotated[
                list[Any], AfterValidator(lambda given: list(categories_of(given, of, most)))
            ]
        case Kind.TIMESTAMP:
            return Annotated[int, Field(ge=_EARLIEST, le=_LATEST)]
        case Kind.BOOLEAN:
            return bool
        case _:
            return Annotated[str, Field(min_length=1, max_length=64)]
