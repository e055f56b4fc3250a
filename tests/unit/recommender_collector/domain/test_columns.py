"""Events that are checked together are what each is by itself."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_collector.domain import batch_validation, validation
from recommender_collector.domain.batch_validation import FEW, Batch, validate_batch
from recommender_collector.domain.checks import InvalidEvent
from recommender_collector.domain.cloud_events import unwrap
from recommender_collector.domain.columns import FIELDS, Alike, lines_of
from recommender_collector.domain.lines import Line, Lines, digest, line_of
from recommender_collector.domain.pseudonyms import Pseudonyms
from recommender_collector.domain.validation import Rules, event_of
from recommender_contract.events import Kind, Source
from tests.unit.recommender_collector.collector_samples import MAPPING, NOW, click, model, rules

NUMBERS = rules({**MAPPING, "ids": {"user": "Integer", "item": "Integer"}})
HASHED = Rules(model(hashUsers=True), Pseudonyms(b"0123456789abcdef"))
MANY = 2 * FEW
#: Of a caller who has shown a key, with request ids that end with "1" as proven ones.
KNOWN = dataclasses.replace(
    rules(), source="web", proof=lambda text, _: (text.rstrip("1"), text.endswith("1"))
)
PROVEN = dataclasses.replace(KNOWN, source=None)
#: Values that at least one kind of event may have, and None where a field may be absent.
VALID: dict[str, list[Any]] = {
    "user": ["ada", "a" * 128, 'b"\\', "Ä"],
    "item": ["tea", "cup", "Ä" * 100],
    "items": [["tea"], ["tea", "cup"], ["Ä"]],
    "time": [NOW, NOW - 5.0004, int(NOW) - 9, NOW + 3, "2026-11-18T11:06:40Z", None],
    "value": [3, 4.5, 0, None],
    "request": ["r-1", "r" * 128, None],
    "session": ["s-1", None],
    "query": ["green tea", "Ä"],
    "context": [{"device": "phone"}, {"slot": 2, "device": None}, {}, None],
    "version": ["shop-1", "shop-2"],
    "path": [*(path.value for path in Source)],
    "hashed": [False, None],
    "model": ["shop", None],
}
#: Values that no field, or not every field, may have.
ODD = [
    None, 5, -1, 10**18, True, -1.5, 1e13, NOW, "", "tea", "Ä", "a\nb", "a\x00", "x" * 257,
    "\ud800", [], [5], {"a": 1},
]  # fmt: skip
OTHER = {"experiment": "0a1b2c3d", "probabilities": [0.5], "explored": {}, "holdout": {},
         "interleaved": {}, "sesion": "s"}  # fmt: skip


def test_every_field_that_is_checked_by_columns_is_tried_here() -> None:
    assert {"id", "kind", *VALID} == FIELDS


@pytest.mark.parametrize("field", sorted({*validation.FIELDS, "new"} - FIELDS))
def test_events_with_another_field_are_checked_by_themselves(field: str) -> None:
    raws = [click(id=f"e{number}", **{field: None}) for number in range(MANY)]
    assert lines_of(Alike(raws, tuple(raws[0]), Kind.CLICK), rules(), NOW) is None


def fields_of(kind: Kind) -> st.SearchStrategy[list[str]]:
    """Names of fields that an event of the kind may have."""
    own = {Kind.IMPRESSION: "items", Kind.SEARCH: "query"}.get(kind, "item")
    more = ["time", "request", "session", "context", "version", "path", "hashed", "model"]
    return st.permutations(more).flatmap(
        lambda names: st.integers(0, len(names)).map(
            lambda count: ["user", own, "value", *names[:count]]
        )
    )


@st.composite
def alike(draw: st.DrawFn) -> Alike:
    """Valid events that have the same fields."""
    kind = draw(st.sampled_from(Kind))
    names = draw(fields_of(kind))
    known = {**VALID, "value": [3, 4.5]} if kind in (Kind.PURCHASE, Kind.DWELL) else VALID
    raws = [
        {"id": f"e{number}", "kind": kind.value}
        | {name: draw(st.sampled_from(known[name])) for name in names}
        for number in range(draw(st.integers(FEW, MANY)))
    ]
    return Alike(raws, tuple(raws[0]), kind)


@given(alike())
def test_valid_events_with_the_same_fields_have_the_same_lines_as_each_by_itself(
    events: Alike,
) -> None:
    for each in (rules(), HASHED):
        found = [event_of(raw, each, NOW) for raw in events.raws]
        alone = Lines.of(Line(digest(e.id), line_of(e)) for e in found)
        assert lines_of(events, each, NOW) == alone


@pytest.mark.parametrize("of", [KNOWN, PROVEN])
@given(alike())
def test_the_same_is_so_of_callers_and_proofs(of: Rules, events: Alike) -> None:
    found = [event_of(raw, of, NOW) for raw in events.raws]
    assert {each.source for each in found} == {of.source}
    requests = [(raw.get("request"), each) for raw, each in zip(events.raws, found, strict=True)]
    assert all(each.proven == (None if text is None else text == "r-1") for text, each in requests)
    alone = Lines.of(Line(digest(e.id), line_of(e)) for e in found)
    together = lines_of(events, of, NOW)
    assert together == alone or (together is None and None in dict(requests))


@st.composite
def bodies(draw: st.DrawFn) -> list[Any]:
    """Groups of events that are valid but for a few values, in any order."""
    raws: list[Any] = []
    for group in draw(st.lists(alike(), min_size=1, max_size=2)):
        changed = draw(st.sampled_from([*group.fields, *OTHER]))
        odd = draw(st.sampled_from(ODD))
        at = draw(st.integers(0, 2 * len(group.raws)))
        raws += [
            {**raw, changed: OTHER.get(changed, odd)} if place == at else raw
            for place, raw in enumerate(group.raws)
        ]
    raws += draw(st.lists(st.sampled_from([7, None, [], "text", {}]), max_size=1))
    return list(draw(st.permutations(raws)))


def entries(batch: Batch, model: str = "shop") -> list[tuple[int, Kind, Line]]:
    of = batch.events[model]
    return list(zip(of.places, of.kinds, of.lines, strict=True))


def told(batch: Batch, start: int = 0) -> tuple[list[Any], list[Any]]:
    found = entries(batch) if "shop" in batch.events else []
    kept = [(place + start, *rest) for place, *rest in found]
    rejected = [(each.index + start, each.id, each.field, each.error) for each in batch.rejected]
    return kept, rejected


def assert_each_is_what_it_is_alone(
    raws: list[Any], of: Rules, unwrap: Callable[[object], object] | None = None
) -> None:
    models = {"shop": of}
    single = [
        told(validate_batch([raw], models, NOW, unwrap), place) for place, raw in enumerate(raws)
    ]
    assert told(validate_batch(raws, models, NOW, unwrap)) == (
        [each for kept, _ in single for each in kept],
        [each for _, rejected in single for each in rejected],
    )


@given(bodies())
def test_a_batch_is_what_its_events_are_each_in_a_request_of_its_own(raws: list[Any]) -> None:
    assert_each_is_what_it_is_alone(raws, rules())


@pytest.mark.parametrize("of", [rules(), NUMBERS, HASHED, KNOWN, PROVEN])
@pytest.mark.parametrize("field", ["id", *VALID])
def test_an_odd_value_among_valid_ones_is_what_it_is_alone(field: str, of: Rules) -> None:
    ids = {"user": 7, "item": 9} if of is NUMBERS else {}
    for value in [*ODD, *VALID.get(field, [])]:
        raws = [click(id=f"e{number}", **ids) for number in range(MANY)]
        raws[1][field] = value
        for raw in raws if field not in raws[0] else []:
            raw.setdefault(field, VALID[field][0])
        assert_each_is_what_it_is_alone(raws, of)


def deep() -> list[Any]:
    """Lists in lists, deeper than Python compares."""
    found: list[Any] = []
    for _ in range(2 * sys.getrecursionlimit()):
        found = [found]
    return found


@pytest.mark.parametrize("field", ["kind", "model"])
def test_deep_lists_in_place_of_a_text_are_what_they_are_alone(field: str) -> None:
    raws = [click(id=f"e{n}", **({field: deep()} if n < FEW else {})) for n in range(MANY)]
    assert_each_is_what_it_is_alone(raws, rules())


@pytest.mark.parametrize("odd", [7, None, [], {}, click(kind=5), click(model=[])])
def test_a_value_that_is_no_event_leaves_the_others_together(
    odd: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[object] = []

    def refuse(_: int, raw: object, *rest: object) -> None:
        alone.append(raw)
        raise InvalidEvent("event", raw, "")

    monkeypatch.setattr(batch_validation, "_alone", refuse)
    validate_batch([*(click(id=f"e{n}") for n in range(MANY)), odd], {"shop": rules()}, NOW)
    assert alone == [odd]


def test_cloud_events_are_checked_together_but_for_bad_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raws: list[Any] = [
        {
            "specversion": "1.0", "id": str(n), "source": "/web", "type": "dev.recommender.click",
            "time": NOW, "data": {"user": "ada", "item": "tea"},
        }
        for n in range(MANY)
    ]  # fmt: skip
    raws[1] = {**raws[1], "id": ""}
    raws[4] = {**raws[4], "data": 5}
    assert_each_is_what_it_is_alone(raws, rules(), unwrap)
    monkeypatch.delattr(batch_validation, "_alone")
    batch = validate_batch(raws, {"shop": rules()}, NOW, unwrap)
    assert (len(batch.events["shop"].lines), len(batch.rejected)) == (MANY - 2, 2)


@pytest.mark.parametrize("kind", Kind)
def test_events_that_lack_what_their_kind_needs_are_what_they_are_alone(kind: Kind) -> None:
    raws = [{"id": f"e{number}", "kind": kind, "user": "ada"} for number in range(MANY)]
    assert_each_is_what_it_is_alone(raws, rules())


def test_rejected_events_are_in_the_order_of_the_request() -> None:
    raws = [click(id=f"e{n}", **({"session": ""} if n % 2 else {"user": ""})) for n in range(MANY)]
    assert [each.index for each in validate_batch(raws, {"shop": rules()}, NOW).rejected] == [
        *range(MANY)
    ]


@pytest.mark.parametrize(
    ("of", "fields"),
    [
        (rules(), click()),
        (rules(), click(time=NOW - 1, request="r-1", session="s-1")),
        (rules(), click(context={"device": "phone"}, version="shop-1", path="model")),
        (rules(), {"kind": "impression", "user": "ada", "items": ["tea", "cup"]}),
        (rules(), {"kind": "search", "user": "ada", "query": "tea"}),
        (rules(), {"kind": "visit", "user": "ada"}),
        (rules(), click(kind="purchase", value=4.5)),
        (NUMBERS, click(user=7, item=9)),
        (HASHED, click()),
    ],
)
def test_valid_events_are_not_checked_one_by_one(
    of: Rules, fields: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(batch_validation, "event_of")
    raws = [{**fields, "id": f"e{number}"} for number in range(MANY)]
    batch = validate_batch(raws, {"shop": of}, NOW)
    assert (len(batch.events["shop"].lines), batch.rejected) == (MANY, [])


def test_kinds_and_models_that_alternate_keep_their_order() -> None:
    kinds = ["click", "basket", "dislike"]
    raws = [
        click(id=f"e{n}", kind=kinds[n % 3], model=("shop", "news")[n % 2])
        for n in range(6 * MANY)
    ]
    batch = validate_batch(raws, {"shop": rules(), "news": rules()}, NOW)
    for first, name in enumerate(("shop", "news")):
        found = [(place, kind.value) for place, kind, _ in entries(batch, name)]
        assert found == [(n, kinds[n % 3]) for n in range(first, 6 * MANY, 2)]


def test_the_order_of_fields_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    raws = [click(id=f"e{number}", session="s") for number in range(MANY)]
    raws[1::2] = [dict(reversed(raw.items())) for raw in raws[1::2]]
    before = validate_batch(raws, {"shop": rules()}, NOW)
    monkeypatch.setattr(batch_validation, "event_of", None)  # nothing is checked by itself
    assert validate_batch(raws, {"shop": rules()}, NOW) == before
    assert len(before.events["shop"].lines) == MANY


def test_of_two_events_with_an_id_the_first_one_of_the_request_comes_first() -> None:
    raws = [click(id=f"e{n}", **({"session": "s"} if n % 2 else {})) for n in range(4 * FEW)]
    raws[1]["id"] = raws[2]["id"] = "same"
    batch = validate_batch(raws, {"shop": rules()}, NOW)
    found = list(batch.events["shop"].lines)
    assert [line.digest for line in found] == [digest(raw["id"]) for raw in raws]
    assert b'"s"' in found[1].line
