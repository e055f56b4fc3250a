"""A mapping that makes no sense is refused with the field, and its hash tells what it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic.alias_generators import to_camel

from recommender_operator.api import spec_mapping
from recommender_operator.api.spec_mapping import DataMapping
from recommender_operator.api.spec_training import DataFormat
from recommender_training.cli import main
from recommender_training.common.errors import InputError
from recommender_training.ingestion import mapping
from recommender_training.ingestion.ids import IdKind
from recommender_training.ingestion.mapping import Format, Mapping, parse_mapping
from tests.mapped_files import EVENTS, INTERACTIONS, declare


def refusal(kind: Format, text: str | None) -> str:
    with pytest.raises(InputError) as caught:
        parse_mapping(text, kind)
    assert caught.value.reason == "InvalidMapping"
    return caught.value.message


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"interactions": {"user": "u"}}, "interactions.item="),
        ({"interactions": {**INTERACTIONS, "user": ""}}, "interactions.user=''"),
        ({"interactions": {**INTERACTIONS, "usr": "u"}}, "interactions.usr="),
        ({"interactions": {**INTERACTIONS, "files": "../x"}}, "stay inside the source"),
        ({"interactions": {**INTERACTIONS, "files": "/etc/*"}}, "interactions.files="),
        ({"interactions": {**INTERACTIONS, "files": "a**"}}, "must be a whole path segment"),
        ({"interactions": {**INTERACTIONS, "value": None}}, "without `value`"),
        (
            {"interactions": {**EVENTS, "value": None, "eventType": {"column": "e"}}},
            "without `value`",
        ),
        (
            {"interactions": {**INTERACTIONS, "timestamp": {"column": "t", "unit": "Days"}}},
            "'Seconds', 'Milliseconds' or 'ISO8601'",
        ),
        (
            {
                "interactions": {
                    **INTERACTIONS,
                    "value": {"column": "v", "lowest": 1, "highest": 1},
                }
            },
            "lowest must be below highest",
        ),
        (
            {
                "interactions": {
                    **INTERACTIONS,
                    "eventType": {"column": "e", "types": [{"type": "a"}, {"type": "a"}]},
                }
            },
            "types has a duplicate",
        ),
        ({"csv": {"delimiter": "\n"}}, "neither may be a line end"),
        ({"csv": {"delimiter": '"'}}, "must differ"),
        ({"csv": {"delimiter": "ab"}}, "csv.delimiter='ab'"),
        ({"partitionBy": "Week"}, "'Day' or 'Hour'"),
        ({"ids": {"user": "Uuid"}}, "ids.user='Uuid': Input should be 'Integer' or 'Text'"),
        ({"ids": {"session": "Text"}}, "ids.session="),
        ({"ids": "Text"}, "ids='Text'"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_with_its_field(
    sections: dict[str, Any], told: str
) -> None:
    text = json.dumps({"interactions": INTERACTIONS} | sections)
    assert told in refusal(Format.CSV, text)


@pytest.mark.parametrize("text", ["{", "[]", '"x"', "@/nowhere/mapping.json"])
def test_what_is_no_mapping_at_all_is_refused(text: str) -> None:
    assert "--mapping" in refusal(Format.CSV, text)


def test_a_format_has_a_mapping_exactly_if_it_needs_one() -> None:
    assert parse_mapping(None, Format.MOVIELENS_100K) is None
    assert "takes no --mapping" in refusal(Format.MOVIELENS_100K, "{}")
    for kind in (Format.CSV, Format.JSON_LINES, Format.PARQUET, Format.DELTA):
        assert "needs --mapping" in refusal(kind, None)


@pytest.mark.parametrize(
    "sections", [{"csv": {}}, {"interactions": {**INTERACTIONS, "columns": ["a"]}}]
)
def test_what_belongs_to_csv_is_refused_for_other_formats(sections: dict[str, Any]) -> None:
    text = json.dumps({"interactions": INTERACTIONS} | sections)
    assert parse_mapping(text, Format.CSV) is not None
    assert "apply to the format CSV" in refusal(Format.PARQUET, text)


def test_the_example_of_the_message_is_a_mapping() -> None:
    message = refusal(Format.CSV, None)
    assert parse_mapping(message[message.index("'{") + 1 : -1], Format.CSV) is not None


def test_a_mapping_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps({"interactions": INTERACTIONS}))
    assert parse_mapping(f"@{path}", Format.CSV) == declare()


def test_a_schema_hash_changes_with_what_makes_a_row_and_with_nothing_else() -> None:
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
        declare(interactions=INTERACTIONS | {"value": {"column": "rating", "highest": 10}}),
        declare(csv={"delimiter": ";"}),
        declare(ids={"user": "Text"}),
        declare(ids={"item": "Text"}),
    ]
    hashes = [mapping.schema_hash("interactions", Format.CSV) for mapping in others]
    hashes.append(declare(Format.PARQUET).schema_hash("interactions", Format.PARQUET))
    assert len({base, *hashes}) == 7


def test_files_of_before_ids_had_a_kind_are_not_read_again() -> None:
    """The hash is that of the release before."""
    for one in (declare(), declare(ids={}), declare(ids={"user": "Integer"})):
        assert one.schema_hash("interactions", Format.CSV) == "260800f5c06abfcb"


FULL: dict[str, Any] = {
    "interactions": {**EVENTS, "value": {"column": "v", "lowest": 0, "highest": 10},
                     "timestamp": {"column": "t", "unit": "Milliseconds"}, "columns": ["a", "b"]},
    "users": {"files": "u/*", "id": "id", "age": "a", "gender": "g", "occupation": "o",
              "segment": "s", "columns": ["c"]},
    "items": {"files": "i/**/*.csv", "id": "id", "title": "t", "releaseYear": "y", "genres": "g",
              "genreSeparator": ",", "columns": ["d"]},
    "csv": {"delimiter": ";", "quote": "'"},
    "ids": {"user": "Text", "item": "Text"},
    "partitionBy": "Hour",
}  # fmt: skip


@pytest.mark.parametrize("sections", [{"interactions": INTERACTIONS}, FULL])
def test_the_operator_hands_over_what_the_command_takes(sections: dict[str, Any]) -> None:
    asked = DataMapping.model_validate(sections)
    assert FULL.keys() == {to_camel(name) for name in DataMapping.model_fields}
    for name in ("interactions", "users", "items", "csv", "ids"):
        kind = Mapping.model_fields[name].annotation
        assert set(FULL[name]) == {to_camel(field) for field in _fields(kind)}
    found = parse_mapping(json.dumps(asked.dump()), Format.CSV)
    assert found is not None
    told = found.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    wanted = asked.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    assert told == wanted


def test_the_job_of_the_operator_is_a_command_that_is_understood() -> None:
    golden = Path(__file__).resolve().parents[3] / "golden" / "job_check_mapped.yaml"
    pod = yaml.safe_load(golden.read_text(encoding="utf-8"))["spec"]["template"]["spec"]
    command = [part.replace("$$", "$") for part in pod["containers"][0]["command"]]  # as a kubelet
    arguments = main.parser().parse_args(command[1:])
    found = parse_mapping(arguments.mapping, Format(arguments.format))
    assert found is not None
    assert found.interactions.user == "u$(HOME)"
    assert found.interactions.item == 'größe, "x"'


def test_formats_and_units_are_those_of_the_operator() -> None:
    for ours, theirs in (
        (Format, DataFormat),
        (mapping.TimeUnit, spec_mapping.TimeUnit),
        (mapping.PartitionBy, spec_mapping.PartitionBy),
        (IdKind, spec_mapping.IdKind),
    ):
        assert {entry.value for entry in ours} == {entry.value for entry in theirs}


def _fields(kind: Any) -> set[str]:
    options = [option for option in get_args(kind) if option is not type(None)]
    return set((options[0] if options else kind).model_fields)
