"""An invalid mapping is refused with its field; the hash covers all that affects rows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from recommender_contract.resource.mapping import DataMapping, Format
from recommender_training.cli import main, options
from recommender_training.common.errors import InputError
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.mapped_files import EVENTS, INTERACTIONS, declare

ROOT = Path(__file__).resolve().parents[4]


def refusal(kind: Format, text: str | None) -> str:
    with pytest.raises(InputError) as caught:
        parse_mapping(text, kind)
    assert caught.value.reason == "InvalidMapping"
    return caught.value.message


@pytest.mark.parametrize(
    ("sections", "section"),
    [
        ({"interactions": {"user": "u"}}, "interactions.item: required"),
        ({"interactions": {**INTERACTIONS, "user": ""}}, "interactions.user=''"),
        (
            {"interactions": {**INTERACTIONS, "usr": "u"}},
            "interactions.usr='u': unknown field; did",
        ),
        ({"interactions": {**INTERACTIONS, "files": "../x"}}, "stay inside the source"),
        ({"interactions": {**INTERACTIONS, "files": "/etc/*"}}, "interactions.files="),
        ({"interactions": {**INTERACTIONS, "files": "a**"}}, "must be a whole path segment"),
        (
            {"interactions": {**INTERACTIONS, "value": None, "eventType": "e"}},
            "without `value`",
        ),
        (
            {"interactions": {**INTERACTIONS, "timestamp": "t", "timestampUnit": "Days"}},
            "'Seconds', 'Milliseconds', 'Microseconds' or 'ISO8601'",
        ),
        (
            {"interactions": {**INTERACTIONS, "lowest": 1, "highest": 1}},
            "lowest must be below highest",
        ),
        (
            {
                "interactions": {
                    **INTERACTIONS,
                    "eventType": "e",
                    "eventTypes": [{"type": "a"}, {"type": "a"}],
                }
            },
            "eventTypes has a duplicate",
        ),
        (
            {"interactions": {**INTERACTIONS, "eventTypes": [{"type": "a", "value": 1}]}},
            "eventTypes needs eventType",
        ),
        (
            {"users": {"files": "u", "id": "id", "features": [{"name": "age"}]}},
            "users.features.0.kind: required",
        ),
        (
            {
                "interactions": {**INTERACTIONS, "features": [{"name": "a", "kind": "Numeric"}]},
                "items": {"files": "i", "id": "i", "features": [{"name": "a", "kind": "Boolean"}]},
            },
            "--mapping: context.a: two features have this name: rename one",
        ),
        (
            {"users": {"files": "u", "id": "id", "age": "age"}},
            "users.age='age': unknown field; the fields are files, columns, ",
        ),
        (
            {"users": {"files": "u", "id": "id", "validFromUnit": "Seconds"}},
            "validFromUnit needs validFrom",
        ),
        (
            {"items": {"files": "i", "id": "id", "validFromUnit": "Seconds"}},
            "validFromUnit needs validFrom",
        ),
        ({"csv": {"delimiter": "\n"}}, "csv.delimiter='\\n': String should match pattern"),
        ({"csv": {"delimiter": '"'}}, "must differ"),
        ({"csv": {"delimiter": "ab"}}, "csv.delimiter='ab'"),
        ({"partitionBy": "Week"}, "'Day' or 'Hour'"),
        ({"ids": {"user": "Uuid"}}, "ids.user='Uuid': Input should be 'Integer' or 'Text'"),
        ({"ids": {"session": "Text"}}, "ids.session="),
        ({"ids": "Text"}, "ids='Text'"),
    ],
)
def test_an_invalid_mapping_is_refused_with_its_field(
    sections: dict[str, Any], section: str
) -> None:
    text = json.dumps({"interactions": INTERACTIONS} | sections)
    assert section in refusal(Format.CSV, text)


@pytest.mark.parametrize("types", [[], [{"type": "view"}, {"type": "buy"}]])
def test_positive_types_need_no_values_of_rows_and_types(types: list[dict[str, str]]) -> None:
    events = {**INTERACTIONS, "value": None, "eventType": "e", "eventTypes": types or None}
    label = {"positiveTypes": [{"type": "buy"}]}
    found = declare(interactions=events, label=label)
    assert found.best_types == ("buy",)
    other = declare(interactions=events, label={"positiveTypes": [{"type": "view"}]})
    assert other.schema_hash("interactions", Format.CSV) != found.schema_hash(
        "interactions", Format.CSV
    ), "the values of the rows differ"


def test_a_label_changes_no_row_whose_type_has_a_value() -> None:
    types = [{"type": "view", "value": 2}, {"type": "buy", "value": 5}]
    events = {**INTERACTIONS, "value": None, "eventType": "e", "eventTypes": types}
    labels = [None, {"positiveTypes": [{"type": "buy"}]}, {"positiveTypes": [{"type": "view"}]}]
    found = [declare(interactions=events, label=each) for each in labels]
    assert len({each.schema_hash("interactions", Format.CSV) for each in found}) == 1


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "@/nowhere/mapping.json"])
def test_a_text_that_is_not_a_mapping_is_refused(text: str) -> None:
    assert "--mapping" in refusal(Format.CSV, text)


def test_a_format_takes_a_mapping_only_if_it_needs_one() -> None:
    assert parse_mapping(None, Format.MOVIELENS_100K) is None
    assert "takes no --mapping" in refusal(Format.MOVIELENS_100K, "{}")
    for kind in (Format.CSV, Format.JSON_LINES, Format.PARQUET, Format.DELTA):
        assert "needs --mapping" in refusal(kind, None)


@pytest.mark.parametrize(
    "sections", [{"csv": {}}, {"interactions": {**INTERACTIONS, "columns": ["a"]}}]
)
def test_csv_settings_are_refused_for_other_formats(sections: dict[str, Any]) -> None:
    text = json.dumps({"interactions": INTERACTIONS} | sections)
    assert parse_mapping(text, Format.CSV) is not None
    assert "apply to the format CSV" in refusal(Format.PARQUET, text)


def test_the_example_of_the_message_is_a_mapping() -> None:
    message = refusal(Format.CSV, None)
    assert parse_mapping(message[message.index("'{") + 1 : -1], Format.CSV) is not None


def test_the_mapping_of_the_documentation_is_valid() -> None:
    text = (ROOT / "docs" / "data-mapping.md").read_text(encoding="utf-8")
    (example,) = [part for part in text.split("```") if part.startswith('json\n{"interactions"')]
    found = parse_mapping(example.removeprefix("json\n"), Format.CSV)
    assert found is not None
    assert [each.name for each in found.declaration.context] == ["device", "position"]


def test_a_mapping_can_be_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps({"interactions": INTERACTIONS}))
    assert parse_mapping(f"@{path}", Format.CSV) == declare()


def test_a_schema_hash_depends_only_on_settings_that_affect_rows() -> None:
    base = declare().schema_hash("interactions", Format.CSV)
    same = [
        declare(interactions=INTERACTIONS | {"files": "other/*"}),
        declare(partitionBy="Hour", csv={}),
        declare(users={"files": "u", "id": "id"}),
        declare(ids={"user": "Integer", "item": "Integer"}),
    ]
    assert {mapping.schema_hash("interactions", Format.CSV) for mapping in same} == {base}
    others = [
        declare(interactions=INTERACTIONS | {"user": "u"}),
        declare(interactions=INTERACTIONS | {"value": "rating", "highest": 10}),
        declare(interactions=INTERACTIONS | {"features": [{"name": "a", "kind": "Boolean"}]}),
        declare(csv={"delimiter": ";"}),
        declare(ids={"user": "Text"}),
        declare(ids={"item": "Text"}),
    ]
    hashes = [mapping.schema_hash("interactions", Format.CSV) for mapping in others]
    hashes.append(declare(Format.PARQUET).schema_hash("interactions", Format.PARQUET))
    assert len({base, *hashes}) == 8


def test_the_hash_of_tables_without_a_history_of_items_is_that_of_earlier_releases() -> None:
    side = {"id": "id", "features": [{"name": "tier", "kind": "Categorical"}]}
    users, items = {"files": "users/*", **side}, {"files": "items/*", "title": "t", **side}
    items["features"] = [{"name": "brand", "kind": "Categorical"}]
    mapping = declare(users=users, items=items)
    found = {name: mapping.schema_hash(name, Format.CSV) for name in ("users", "items")}
    assert found == {"users": "e954dcfc42bc8fdc", "items": "0de4540fd7e42279"}
    dated = declare(users=users, items=items | {"validFrom": "since"})
    assert dated.schema_hash("items", Format.CSV) != found["items"]


def test_a_schema_hash_ignores_how_models_use_a_feature() -> None:
    def hashed(**settings: Any) -> str:
        feature = {"name": "place", "kind": "Numeric", **settings}
        mapping = declare(interactions=INTERACTIONS | {"features": [feature]})
        return mapping.schema_hash("interactions", Format.CSV)

    buckets = {"kind": "Categorical", "hashBuckets": 9}
    assert hashed(kind="Categorical") == hashed(**buckets)
    used = hashed(fairness=True, segments=True, coldStart=True, servedAs="1", edges=[1, 2])
    assert used == hashed(bands=4) == hashed(transform="Log") == hashed()
    time = hashed(kind="Timestamp")
    assert time == hashed(kind="Timestamp", calendar="Month", timeZone="Asia/Tokyo")
    assert len({hashed(), hashed(maximum=5), hashed(missing=["-"]), hashed(column="p")}) == 4


def test_the_declaration_of_a_mapping_has_the_features_of_all_tables() -> None:
    found = declare(**FULL).declaration
    assert [each.name for each in found.users] == ["age"]
    assert [each.name for each in found.items] == ["brand", "made", "opened", "seen", "price"]
    assert [each.name for each in found.context] == ["place"]


CATEGORY = {"name": "brand", "kind": "MultiCategorical", "column": "b", "missing": ["-"],
            "maxCategories": 100, "separator": "|", "fairness": True}  # fmt: skip
NUMBER = {"name": "place", "kind": "Numeric", "minimum": 0, "maximum": 9, "edges": [1.5, 3],
          "fairness": True, "coldStart": True, "servedAs": "1"}  # fmt: skip
OTHERS = [{"name": "made", "kind": "Timestamp", "unit": "Year"},
          {"name": "opened", "kind": "Timestamp", "calendar": "Month", "timeZone": "Asia/Tokyo"},
          {"name": "seen", "kind": "Embedding", "length": 8},
          {"name": "price", "kind": "Numeric", "bands": 4, "transform": "Log"}]  # fmt: skip
FULL: dict[str, Any] = {
    "interactions": {**EVENTS, "value": "v", "lowest": 0, "highest": 10,
                     "timestamp": "t", "timestampUnit": "Milliseconds", "columns": ["a", "b"],
                     "features": [NUMBER]},
    "users": {"files": "u/*", "id": "id", "segment": "s", "columns": ["c"],
              "validFrom": "since", "validFromUnit": "ISO8601",
              "features": [{"name": "age", "kind": "Numeric"}]},
    "items": {"files": "i/**/*.csv", "id": "id", "title": "t", "columns": ["d"],
              "validFrom": "since", "validFromUnit": "Milliseconds",
              "features": [CATEGORY, *OTHERS]},
    "csv": {"delimiter": ";", "quote": "'"},
    "ids": {"user": "Text", "item": "Text"},
    "partitionBy": "Hour",
    "label": {"positiveTypes": [{"type": "buy", "weight": 5}], "positiveRate": 0.01},
}  # fmt: skip


BUY: dict[str, Any] = {"positiveTypes": [{"type": "buy"}]}
LABELS: list[dict[str, Any]] = [
    {"minimumValue": 3.5, "positiveRate": 0.01},
    BUY | {"positiveRate": 0.01, "negatives": {"by": "Uniform"}},
    BUY | {"attribution": {"impressions": ["view"], "hours": 2}},
]


@pytest.mark.parametrize(
    "sections",
    [{"interactions": INTERACTIONS}, FULL, *({**FULL, "label": each} for each in LABELS)],
)
def test_the_command_accepts_the_mapping_of_the_operator(sections: dict[str, Any]) -> None:
    request = DataMapping.model_validate(sections)
    found = parse_mapping(json.dumps(request.dump()), Format.CSV)
    assert found is not None
    given, wanted = (
        each.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
        for each in (found, request)
    )
    assert given == wanted


def test_the_command_line_of_the_operators_job_is_valid() -> None:
    golden = Path(__file__).resolve().parents[3] / "golden" / "job_check_mapped.yaml"
    pod = yaml.safe_load(golden.read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    command = [part.replace("$$", "$") for part in pod["containers"][0]["command"]]  # as a kubelet
    arguments = main.parser().parse_args(command[1:])
    found = options.add_mapping(arguments, Format(arguments.format))
    assert found is not None
    assert found.interactions.user == "u$(HOME)"
    assert found.interactions.item == 'größe, "x"'
    assert found.items is not None
    assert [feature.source for feature in found.items.features] == ["tags"]


def test_a_mapping_may_come_in_parts() -> None:
    text = json.dumps({"interactions": INTERACTIONS})
    parts = ["check", "--lake", "l", "--source", "s", "--format", "CSV"]
    for start in range(0, len(text), 7):
        parts += ["--mapping", text[start : start + 7]]
    arguments = main.parser().parse_args(parts)
    assert options.add_mapping(arguments, Format.CSV) == declare()


def test_the_default_of_max_per_row_changes_no_hash_where_it_is_stated() -> None:
    def hashed(**settings: Any) -> tuple[str, str]:
        feature = {"name": "tags", "kind": "MultiCategorical", **settings}
        mapping = declare(interactions=INTERACTIONS | {"features": [feature]})
        return mapping.schema_hash("interactions", Format.CSV), mapping.declaration.text()

    assert hashed(maxPerRow=16) == hashed()
    assert not {*hashed(maxPerRow=15)} & {*hashed()}
