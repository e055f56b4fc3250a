"""A real API server judges mappings, declared labels and declared features."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from recommender_operator.api.spec import RecommenderModelSpec
from tests.integration.crd_rig import (
    Json,
    Server,
    changed,
    installed,
    refusal,
)

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with installed() as server:
        yield server


SOURCE: Json = {
    "persistentVolumeClaim": {"claimName": "raw-data", "path": "shop"},
    "format": "CSV",
}
EVENTS: Json = {"files": "events/*.csv", "user": "u", "item": "i", "timestamp": "t",
                "value": "v"}  # fmt: skip
UNVALUED = {name: value for name, value in EVENTS.items() if name != "value"}


def typed(*types: Json) -> Json:
    return {"interactions": UNVALUED | {"eventType": "e", "eventTypes": list(types)}}


@pytest.mark.parametrize("kind", ["CSV", "JSONLines", "Parquet", "Delta"])
def test_a_mapping_is_accepted_for_files_of_each_format(server: Server, kind: str) -> None:
    source = SOURCE | {"format": kind, "mapping": {"interactions": EVENTS}}
    body = changed("data.source", source)
    body["metadata"]["name"] = "mapped"
    created = server.create(body, dry_run="All", field_validation="Strict")
    mapping = created["spec"]["data"]["source"]["mapping"]
    assert mapping["partitionBy"] == "Day"
    assert mapping["ids"] == {"user": "Integer", "item": "Integer"}
    assert mapping["interactions"] == EVENTS | {
        "lowest": 1, "highest": 5, "timestampUnit": "Seconds",
    }  # fmt: skip


def test_events_without_values_and_types_are_accepted(server: Server) -> None:
    body = changed("data.source", SOURCE | {"mapping": {"interactions": UNVALUED}})
    body["metadata"]["name"] = "unvalued"
    assert server.create(body, dry_run="All", field_validation="Strict")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({}, "CSV, JSONLines, Parquet and Delta require data.source.mapping"),
        (
            {"format": "MovieLens100K", "mapping": {"interactions": EVENTS}},
            "columns of MovieLens100K are fixed",
        ),
        ({"format": "Excel"}, "Unsupported value"),
        ({"mapping": {}}, "mapping.interactions: Required value"),
        (
            {"mapping": {"interactions": UNVALUED | {"eventType": "e"}}},
            "requires label.positiveTypes",
        ),
        ({"mapping": typed({"type": "view"})}, "eventTypes with a value for each type"),
        (
            {"mapping": typed({"type": "view", "value": 1}, {"type": "view", "value": 2})},
            "interactions.eventTypes[1]: Duplicate value",
        ),
        ({"mapping": typed({"type": "view", "value": 6})}, "less than or equal to 5"),
        ({"mapping": typed()}, "should have at least 1 items"),
        (
            {"mapping": {"interactions": EVENTS | {"value": "v", "highest": 1}}},
            "must be below highest",
        ),
        (
            {"mapping": {"interactions": EVENTS | {"eventTypes": [{"type": "a"}]}}},
            "requires eventType",
        ),
        (
            {"mapping": {"interactions": EVENTS | {"timestamp": "t", "timestampUnit": "Days"}}},
            "Unsupported value",
        ),
        ({"mapping": {"interactions": EVENTS | {"user": ""}}}, "at least 1 chars"),
        ({"mapping": {"interactions": EVENTS, "ids": {"user": "Uuid"}}}, "Unsupported value"),
        ({"mapping": {"interactions": EVENTS | {"files": "/etc/*"}}}, "interactions.files"),
        ({"mapping": {"interactions": EVENTS | {"files": "a/../../b"}}}, "inside the source"),
        ({"mapping": {"interactions": EVENTS | {"files": "a**/b"}}}, "a whole path segment"),
        (
            {"mapping": {"interactions": EVENTS, "users": {"files": "../u", "id": "i"}}},
            "inside the source",
        ),
        (
            {
                "mapping": {
                    "interactions": EVENTS,
                    "users": {"files": "u", "id": "i", "validFromUnit": "Seconds"},
                }
            },
            "mapping.users.validFromUnit requires validFrom",
        ),
        (
            {
                "mapping": {
                    "interactions": EVENTS,
                    "items": {"files": "i", "id": "i", "validFromUnit": "Seconds"},
                }
            },
            "mapping.items.validFromUnit requires validFrom",
        ),
        (
            {"mapping": {"interactions": EVENTS, "csv": {"delimiter": '"'}}},
            "must differ",
        ),
        ({"mapping": {"interactions": EVENTS, "csv": {"delimiter": "::"}}}, "csv.delimiter"),
        (
            {"format": "Parquet", "mapping": {"interactions": EVENTS, "csv": {}}},
            "require data.source.format CSV",
        ),
        (
            {"format": "JSONLines", "mapping": {"interactions": EVENTS | {"columns": ["u"]}}},
            "require data.source.format CSV",
        ),
    ],
)
def test_an_invalid_mapping_is_rejected_with_its_field(
    server: Server, source: Json, message: str
) -> None:
    body = changed("data.source", SOURCE | source)
    assert message in refusal(lambda: server.create(body, dry_run="All"))


@pytest.mark.parametrize("mapping", [{}, {"mapping": {"interactions": EVENTS}}])
def test_a_source_without_a_format_is_rejected_with_the_choices(
    server: Server, mapping: Json
) -> None:
    source = {"persistentVolumeClaim": SOURCE["persistentVolumeClaim"]} | mapping
    message = refusal(lambda: server.create(changed("data.source", source), dry_run="All"))
    assert "data.source.format is required: set Parquet, CSV, JSONLines or Delta with" in message
    assert "or MovieLens100K" in message


TYPED: Json = UNVALUED | {
    "eventType": "e",
    "eventTypes": [{"type": "view", "value": 2}, {"type": "buy", "value": 5}],
}
BUY: Json = {"positiveTypes": [{"type": "buy", "weight": 5}]}
SHOWN: Json = {"attribution": {"impressions": ["view"], "hours": 24}}
#: Shown items and their response in one row.
BOTH: Json = BUY | {"attribution": {"impressions": ["view", "buy"], "hours": 0.001}}
DRAWN: Json = {"negatives": {"perPositive": 4}, "positiveRate": 0.01}


@pytest.mark.parametrize(
    "label", [{"minimumValue": 3}, BUY | SHOWN, BOTH, BUY | DRAWN, {"positiveRate": 0.1}]
)
def test_a_label_is_accepted(server: Server, label: Json) -> None:
    body = changed("data.source", SOURCE | {"mapping": {"interactions": TYPED, "label": label}})
    body["metadata"]["name"] = "labelled"
    created = server.create(body, dry_run="All", field_validation="Strict")
    found = created["spec"]["data"]["source"]["mapping"]["label"]
    assert found.keys() == label.keys()


@pytest.mark.parametrize(
    "interactions",
    [UNVALUED | {"eventType": "e"}, typed({"type": "view"}, {"type": "buy"})["interactions"]],
)
def test_a_list_of_positive_types_is_enough_for_a_label(
    server: Server, interactions: Json
) -> None:
    mapping = {"interactions": interactions, "label": {"positiveTypes": [{"type": "buy"}]}}
    body = changed("data.source", SOURCE | {"mapping": mapping})
    body["metadata"]["name"] = "starless"
    server.create(body, dry_run="All", field_validation="Strict")


@pytest.mark.parametrize(
    ("label", "message"),
    [
        ({"minimumValue": 3} | BUY, "minimumValue and positiveTypes of mapping.label"),
        ({"minimumValue": 6}, "should be less than or equal to 5"),
        (SHOWN, "mapping.label.attribution requires positiveTypes"),
        (
            BUY | {"attribution": {"impressions": ["view", "view"], "hours": 1}},
            "attribution.impressions must not contain a type twice",
        ),
        (
            BUY | {"attribution": {"impressions": ["view"], "hours": 0}},
            "hours in body should be greater than 0",
        ),
        (
            BUY | {"attribution": {"impressions": ["seen"], "hours": 1}},
            "attribution.impressions must be in mapping.interactions.eventTypes",
        ),
        ({"positiveTypes": [{"type": "gift"}]}, "positiveTypes must be in mapping.interactions"),
        (
            {"positiveTypes": [{"type": "buy"}, {"type": "buy", "weight": 2}]},
            "label.positiveTypes[1]: Duplicate value",
        ),
        (BUY | SHOWN | DRAWN, "negatives and attribution of mapping.label"),
        ({"negatives": {}}, "mapping.label.negatives requires positiveRate"),
        ({"positiveRate": 1}, "should be less than 1"),
    ],
)
def test_an_invalid_label_is_rejected_with_its_field(
    server: Server, label: Json, message: str
) -> None:
    body = changed("data.source", SOURCE | {"mapping": {"interactions": TYPED, "label": label}})
    assert message in refusal(lambda: server.create(body, dry_run="All"))


def test_positive_types_require_the_column_of_the_types(server: Server) -> None:
    mapping: Json = {"interactions": dict(EVENTS), "label": BUY}
    body = changed("data.source", SOURCE | {"mapping": mapping})
    message = "positiveTypes requires mapping.interactions.eventType"
    assert message in refusal(lambda: server.create(body, dry_run="All"))


def declared(**tables: list[Json]) -> Json:
    """A mapping with these features of each table."""
    mapping: Json = {"interactions": dict(EVENTS)}
    for table, features in tables.items():
        mapping.setdefault(table, {"files": f"{table}.csv", "id": "id"})["features"] = features
    return SOURCE | {"mapping": mapping}


KINDS: dict[str, Json] = {
    "Categorical": {"maxCategories": 10, "fairness": True, "missing": ["-1", "N/A"]},
    "MultiCategorical": {"separator": " - ", "maxCategories": 10},
    "Boolean": {"column": "x"},
    "Numeric": {"minimum": 0, "maximum": 9, "edges": [1, 2.5, 9], "fairness": True},
    "Timestamp": {"unit": "Year"},
    "Embedding": {"length": 1024},
}


def test_features_of_each_kind_are_accepted(server: Server) -> None:
    items = [{"name": f"a_{kind.lower()}", "kind": kind, **more} for kind, more in KINDS.items()]
    users: list[Json] = [{"name": "age", "kind": "Numeric", "bands": 4, "coldStart": True},
             {"name": "signed_up", "kind": "Timestamp", "edges": [30, 365], "segments": True},
             {"name": "interests", "kind": "MultiCategorical", "maxPerRow": 64},
             {"name": "birthday", "kind": "Timestamp", "calendar": "Month", "coldStart": True,
              "timeZone": "America/Argentina/Buenos_Aires"}]  # fmt: skip
    context: list[Json] = [{"name": "position", "kind": "Numeric", "minimum": 1, "servedAs": "1"},
               {"name": "logged_in", "kind": "Boolean", "servedAs": "true"}]  # fmt: skip
    items.append({"name": "season", "kind": "Timestamp", "calendar": "Month", "fairness": True})
    items.append({"name": "words", "kind": "MultiCategorical", "hashBuckets": 100})
    context.append({"name": "query", "kind": "Categorical", "hashBuckets": 100_000})
    context.append({"name": "words_of_query", "kind": "Embedding", "length": 384})
    body = changed("data.source", declared(items=items, users=users, interactions=context))
    body["metadata"]["name"] = "declared"
    created = server.create(body, dry_run="All", field_validation="Strict")
    mapping = created["spec"]["data"]["source"]["mapping"]
    assert mapping["users"]["features"] == [
        users[0] | {"fairness": False, "segments": False},
        users[1] | {"fairness": False, "coldStart": False},
        users[2] | {"fairness": False, "segments": False, "coldStart": False},
        users[3] | {"fairness": False, "segments": False},
    ]
    assert RecommenderModelSpec.model_validate(created["spec"]) == (
        RecommenderModelSpec.model_validate(body["spec"])
    )


def test_the_maximum_number_of_features_is_accepted(server: Server) -> None:
    def many(table: str) -> list[Json]:
        return [{"name": f"{table[:2]}{place:038}", "kind": "Numeric",
                 "edges": list(range(100)), "missing": [f"{n:064}" for n in range(10)]}
                for place in range(50)]  # fmt: skip

    tables = {table: many(table) for table in ("users", "items", "interactions")}
    body = changed("data.source", declared(**tables))
    body["metadata"]["name"] = "longest"
    server.create(body, dry_run="All", field_validation="Strict")


NUMBER: Json = {"name": "price", "kind": "Numeric"}
TIME: Json = {"name": "a", "kind": "Timestamp"}
HOUR: Json = TIME | {"calendar": "HourOfDay"}
TEXT: Json = {"name": "brand", "kind": "Categorical"}
SEVERAL: Json = {"name": "tags", "kind": "MultiCategorical"}
VECTORS: list[Json] = [{"name": f"v{n}", "kind": "Embedding", "length": 1024} for n in range(4)]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"users": [TEXT, TEXT]}, "mapping.users.features[1]: Duplicate value"),
        ({"users": [TEXT], "items": [TEXT]}, "mapping.users and one of mapping.items"),
        ({"interactions": [TEXT], "items": [TEXT]}, "mapping.items and one of mapping.interact"),
        ({"interactions": [TEXT], "users": [TEXT]}, "mapping.users and one of mapping.interact"),
        ({"items": [TEXT], "users": [TEXT | {"name": "last_brand"}]}, "drift metrics use this"),
        ({"users": [TEXT | {"name": "segment"}]}, "is taken by a field"),
        ({"users": [TEXT | {"name": "Brand"}]}, "features[0].name"),
        ({"users": [TEXT | {"kind": "Colour"}]}, "Unsupported value"),
        ({"users": [SEVERAL | {"fairness": True}]}, "requires one category a row"),
        ({"interactions": [SEVERAL | {"coldStart": True}]}, "requires one value"),
        ({"users": [SEVERAL | {"maxPerRow": 65}]}, "maxPerRow"),
        ({"users": [TEXT | {"maxPerRow": 2}]}, "maxPerRow in mapping.users.features requires"),
        ({"items": [SEVERAL | {"maxPerRow": 2}]}, "maxPerRow is not a setting of mapping.items"),
        ({"interactions": [SEVERAL | {"servedAs": "a"}]}, "is one value"),
        ({"interactions": [*VECTORS, SEVERAL]}, "must sum to at most 4096"),
        ({"interactions": [TIME | {"edges": [0, 1]}]}, "must be above 0 for a Timestamp"),
        (
            {"interactions": [TIME | {"servedAs": "1"}]},
            "servedAs in mapping.interactions.features",
        ),
        ({"users": [TIME | {"coldStart": True}]}, "one value that time does not change"),
        ({"users": [HOUR | {"bands": 3}]}, "calendar in mapping.users.features excludes edges"),
        ({"items": [HOUR | {"edges": [1]}]}, "calendar in mapping.items.features excludes edges"),
        (
            {"users": [HOUR | {"unit": "Year"}]},
            "mapping.users.features excludes the unit Year",
        ),
        ({"users": [TIME | {"timeZone": "UTC"}]}, "timeZone in mapping.users.features requires"),
        ({"users": [HOUR | {"timeZone": "+02:00"}]}, "features[0].timeZone"),
        ({"users": [NUMBER | {"calendar": "Month"}]}, "calendar in mapping.users.features requir"),
        ({"items": [TIME | {"bands": 3}]}, "only the age of users and interactions has bands"),
        (
            {"items": [{"name": "a", "kind": "Embedding", "length": 2, "fairness": True}]},
            "requires categories or bands",
        ),
        ({"items": [{"name": "a", "kind": "Embedding"}]}, "requires length"),
        ({"items": [{"name": "a", "kind": "Embedding", "length": 1025}]}, "length"),
        (
            {"items": [TEXT | {"hashBuckets": 9, "maxCategories": 9}]},
            "hashBuckets and maxCategories in mapping.items.features",
        ),
        (
            {"users": [TEXT | {"hashBuckets": 9, "coldStart": True}]},
            "hashBuckets in mapping.users.features excludes fairness, segments and coldStart",
        ),
        (
            {"users": [TEXT | {"hashBuckets": 9, "segments": True}]},
            "hashBuckets in mapping.users.features excludes fairness, segments and coldStart",
        ),
        ({"items": [TEXT | {"segments": True}]}, "segments is not a setting of mapping.items"),
        (
            {"items": [TEXT | {"kind": "MultiCategorical", "segments": True}]},
            "segments in mapping.items.features requires one category or band",
        ),
        ({"items": [TEXT | {"length": 3}]}, "length in mapping.items.features requires kind"),
        ({"items": [TEXT | {"edges": [1]}]}, "edges in mapping.items.features requires kind"),
        ({"items": [TEXT | {"unit": "Year"}]}, "unit in mapping.items.features requires kind"),
        ({"items": [NUMBER | {"separator": "|"}]}, "requires kind MultiCategorical"),
        (
            {"users": [SEVERAL | {"separator": " - "}]},
            "separator in mapping.users.features must not contain '-'",
        ),
        ({"items": [NUMBER | {"maxCategories": 3}]}, "Categorical or MultiCategorical"),
        ({"items": [NUMBER | {"edges": [1], "bands": 3}]}, "mutually exclusive"),
        ({"items": [NUMBER | {"edges": [1], "transform": "Log"}]}, "edges and transform in"),
        ({"items": [TEXT | {"transform": "Log"}]}, "transform in mapping.items.features requires"),
        ({"items": [NUMBER | {"edges": [2, 1]}]}, "must be strictly increasing"),
        ({"items": [NUMBER | {"edges": [1, 1]}]}, "must be strictly increasing"),
        ({"items": [NUMBER | {"minimum": 1, "maximum": 1}]}, "must be below maximum"),
        ({"items": [NUMBER | {"minimum": 1, "edges": [1, 2]}]}, "must be above minimum"),
        ({"items": [NUMBER | {"maximum": 1, "edges": [1, 2]}]}, "not above maximum"),
        ({"items": [NUMBER | {"minimum": -2e15}]}, "minimum"),
        ({"items": [TIME | {"fairness": True}]}, "edges, bands and fairness of a Timestamp"),
        ({"items": [TEXT | {"coldStart": True}]}, "coldStart is not a setting of mapping.items"),
        ({"items": [TEXT | {"servedAs": "x"}]}, "servedAs is not a setting of mapping.items"),
        ({"users": [TEXT | {"servedAs": "x"}]}, "servedAs is not a setting of mapping.users"),
        ({"interactions": [NUMBER | {"servedAs": "first"}]}, "must be a number from minimum"),
        ({"interactions": [NUMBER | {"servedAs": "0", "minimum": 1}]}, "from minimum to maximum"),
        ({"interactions": [TEXT | {"kind": "Boolean", "servedAs": "1"}]}, "must be true or false"),
    ],
)
def test_an_invalid_feature_is_rejected_with_its_place_and_the_remedy(
    server: Server, tables: Json, message: str
) -> None:
    body = changed("data.source", declared(**tables))
    assert message in refusal(lambda: server.create(body, dry_run="All"))
