"""The fields of a request of one version, with the bounds of the endpoint.

They are those of `recommender_serving.protocols`; a test gives both the same bodies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, create_model

from recommender_contract import ids
from recommender_contract.categories import categories_of
from recommender_contract.features import Kind
from recommender_contract.ids import IdKind, IdKinds
from recommender_training.common.section import Section

_INT64, _NUMBER, _VALUE = 2**63, 1e30, 1e6
_LATEST = 4_102_444_800  # 2100-01-01; milliseconds since 1971 are above it
_EARLIEST = -62_135_596_800  # the year 1


class _Form(Section):
    model_config = ConfigDict(
        strict=True, alias_generator=str, populate_by_name=False, allow_inf_nan=False
    )


def request_form(vocabulary: Mapping[str, Any], kinds: IdKinds) -> type[BaseModel]:
    """The form of a request, from vocabulary.json; its ids stay as they are given."""
    item, seconds = _id(kinds.item, is_item=True), _between(int, 0, _LATEST)
    event = _fields({"timestamp": seconds, "value": _between(float, -_VALUE, _VALUE)})
    event = create_model("Event", __base__=event, item=(item, ...))
    category = Annotated[str, BeforeValidator(_category), Field(min_length=1, max_length=200)]
    rule, of_items = _list(category, 1, 50), vocabulary["items"]["features"]
    # A rule is a list, never null.
    rules = _fields({each["name"]: rule for each in of_items}, or_null=False)
    places = {
        place: _fields(
            {
                each["name"]: _value(each)
                for each in vocabulary["features"]
                if each["of"] == place and "servedAs" not in each
            }
        )
        for place in ("user", "context")
    }
    fields = {
        "user_id": _id(kinds.user),
        **places,
        "session": _list(event, 0, 500),
        "timestamp": seconds,
        "top_n": _between(int, 1, vocabulary["maxTopN"]),
        "session_id": Annotated[str, Field(min_length=1, max_length=128)],
        "seed_items": _list(item, 0, 20),
        "candidate_items": _list(item, 1, 1000),
        "excluded_items": _list(item, 0, 1000),
        "allow": rules,
        "deny": rules,
    }
    return _fields(fields)


def _fields(kinds: Mapping[str, Any], *, or_null: bool = True) -> type[BaseModel]:
    """A form with these optional fields, whatever their names: some are methods of every form."""
    fields: dict[str, Any] = {
        f"field_{place}": (kind | None if or_null else kind, Field(default=None, alias=name))
        for place, (name, kind) in enumerate(kinds.items())
    }
    return create_model("Fields", __base__=_Form, **fields)


def _between(kind: Any, low: float, high: float) -> Any:
    return Annotated[kind, Field(ge=low, le=high)]


def _list(of: Any, least: int, most: int) -> Any:
    return Annotated[list[of], Field(min_length=least, max_length=most)]


def _id(kind: IdKind, *, is_item: bool = False) -> Any:
    if kind is IdKind.TEXT:
        return Annotated[str, AfterValidator(_text_id)]
    number = _between(int, -_INT64, _INT64 - 1)
    return Annotated[number, AfterValidator(_no_padding)] if is_item else number


def _text_id(text: str) -> str:
    if (remedy := ids.fault(text)) is not None:
        raise ValueError(remedy)
    return text


def _no_padding(item: int) -> int:
    if item == -1:
        raise ValueError("-1 is reserved for the padding of sessions: leave it out")
    return item


def _category(said: object) -> object:
    return str(said).lower() if isinstance(said, bool) else said


def _value(feature: Mapping[str, Any]) -> Any:
    """The type of the values of a feature of vocabulary.json."""
    match Kind(feature["kind"]):
        case Kind.NUMERIC:
            low, high = feature.get("minimum"), feature.get("maximum")
            return _between(
                float, -_NUMBER if low is None else low, _NUMBER if high is None else high
            )
        case Kind.EMBEDDING:
            length = feature["length"]
            return _list(_between(float, -_NUMBER, _NUMBER), length, length)
        case Kind.MULTI_CATEGORICAL:
            by, most = feature.get("separator"), feature["maxPerRow"]
            known = AfterValidator(lambda said: list(categories_of(said, by, most)))
            return Annotated[list[Any], known]
        case Kind.TIMESTAMP:
            return _between(int, _EARLIEST, _LATEST)
        case Kind.BOOLEAN:
            return bool
        case _:
            return Annotated[str, Field(min_length=1, max_length=64)]
