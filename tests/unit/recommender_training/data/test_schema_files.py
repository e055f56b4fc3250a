"""A data version records the declaration of its features, and tables grow with declarations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import compaction, lake, load, schema_files, version_content
from recommender_training.ingestion.mapping import Mapping
from tests.mapped_files import INTERACTIONS, START, check, declare, event, write

AGE = {"name": "age", "kind": "Numeric"}
BRAND = {"name": "brand", "kind": "Categorical"}
DEVICE = {"name": "device", "kind": "Categorical"}


def mapping(
    users: list[dict[str, Any]], items: list[dict[str, Any]], context: list[dict[str, Any]]
) -> Mapping:
    return declare(
        Format.JSON_LINES,
        interactions={**INTERACTIONS, "features": context},
        users={"files": "users.jsonl", "id": "id", "features": users},
        items={"files": "items.jsonl", "id": "id", "features": items},
    )


BEFORE = mapping([AGE], [BRAND], [])


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    write(folder / "events/a.jsonl", [event(1, 10, START), event(2, 10, START + 1, 2)])
    write(folder / "users.jsonl", [{"id": 1, "age": 30, "vip": True}, {"id": 2}])
    write(folder / "items.jsonl", [{"id": 10, "brand": "x", "price": 2.5}])
    return folder


def ingested(source: Path, path: Path, mapped: Mapping = BEFORE) -> str:
    return check(source, path, mapped, Format.JSON_LINES).data_version


def test_a_version_is_read_with_its_declaration(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "lake"
    version = ingested(source, path)
    assert version_content.read_version(path, version).declaration == BEFORE.declaration
    text = (path / "declarations" / f"{version}.json").read_text()
    assert text == BEFORE.declaration.text()


def test_the_digest_covers_the_declaration(source: Path, tmp_path: Path) -> None:
    one = ingested(source, tmp_path / "one")
    other = ingested(source, tmp_path / "other", mapping([AGE | {"fairness": True}], [BRAND], []))
    assert one[:-16] == other[:-16]
    assert one != other


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.unlink(),
        lambda file: file.write_text("{"),
        lambda file: file.write_text('{"users": [{"name": "age", "kind": "Colour"}]}'),
        lambda file: file.write_text(json.dumps(json.loads(file.read_text()), indent=1)),
        lambda file: file.write_text(FeatureSchema().text()),
        lambda file: file.write_text(file.read_text().replace("brand", "title_of")),
    ],
)
def test_a_version_without_its_declaration_is_missing_until_the_next_check(
    source: Path,
    tmp_path: Path,
    change: Any,
) -> None:
    path = tmp_path / "lake"
    version = ingested(source, path)
    change(path / "declarations" / f"{version}.json")
    with pytest.raises(InputError) as caught:
        version_content.read_version(path, version)
    assert caught.value.reason == "DataVersionMissing"
    with pytest.raises(InputError) as caught:
        load.verify_version(path, version, None)
    assert caught.value.reason == "DataVersionMissing"
    assert ingested(source, path) == version
    assert version_content.read_version(path, version).items["brand"].to_list() == ["x"]


def test_a_new_feature_is_null_in_old_rows_and_old_versions_stay_readable(
    source: Path, tmp_path: Path
) -> None:
    path = tmp_path / "lake"
    before = ingested(source, path)
    then = version_content.read_version(path, before)
    vip, price = {"name": "vip", "kind": "Boolean"}, {"name": "price", "kind": "Numeric"}
    grown = mapping([AGE, vip], [price, BRAND], [DEVICE])
    (source / "users.jsonl").write_text('{"id": 1, "age": 30, "vip": true}\n')
    write(source / "events/b.jsonl", [event(1, 10, START + 2, device="tv")])
    now = version_content.read_version(path, ingested(source, path, grown))
    assert now.interactions["device"].to_list() == [None, None, "tv"]
    assert now.users.select("user_id", "age", "vip").rows() == [(1, 30.0, "true"), (2, None, None)]
    assert now.items.select("item_id", "price", "brand").rows() == [(10, 2.5, "x")]
    again = version_content.read_version(path, before)
    assert again.users.equals(then.users)
    assert again.interactions.equals(then.interactions)


def test_a_feature_that_is_no_longer_declared_leaves_the_next_version(
    source: Path, tmp_path: Path
) -> None:
    path = tmp_path / "lake"
    ingested(source, path, mapping([AGE], [BRAND], [DEVICE]))
    tables = version_content.read_version(path, ingested(source, path, mapping([], [BRAND], [])))
    assert tables.users.columns == ["user_id", "segment"]
    assert "device" not in tables.interactions.columns


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (
            mapping([{"name": "age", "kind": "Categorical"}], [BRAND], [DEVICE]),
            ("column age", "table users", "Float64", "String"),
        ),
        (
            mapping([AGE], [{"name": "brand", "kind": "Timestamp"}], [DEVICE]),
            ("column brand", "table items", "String", "Int64"),
        ),
        (
            mapping([AGE], [BRAND], [{"name": "device", "kind": "Numeric"}]),
            ("column device", "table interactions", "String", "Float64"),
        ),
    ],
)
def test_a_feature_of_another_type_is_refused_and_nothing_is_written(
    source: Path, tmp_path: Path, declared: Mapping, words: tuple[str, ...]
) -> None:
    path = tmp_path / "lake"
    version = ingested(source, path, mapping([AGE], [BRAND], [DEVICE]))
    write(source / "events/b.jsonl", [event(1, 10, START + 5)])
    with pytest.raises(InputError) as caught:
        ingested(source, path, declared)
    assert caught.value.reason == "SchemaChanged"
    for word in (*words, "another name"):
        assert word in caught.value.message
    assert version_content.read_version(path, version).interactions.height == 2
    assert lake.newest(path, "interactions") == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"kind": "Categorical"}, {"kind": "Boolean"}),
        ({"kind": "MultiCategorical"}, {"kind": "Embedding", "length": 2}),
        ({"kind": "Embedding", "length": 2}, {"kind": "Embedding", "length": 3}),
    ],
)
def test_a_feature_of_another_kind_or_length_is_refused(
    source: Path, tmp_path: Path, before: dict[str, Any], after: dict[str, Any]
) -> None:
    path = tmp_path / "lake"
    ingested(source, path, mapping([AGE], [{"name": "place", **before}], []))
    with pytest.raises(InputError) as caught:
        ingested(source, path, mapping([AGE], [{"name": "place", **after}], []))
    assert caught.value.reason == "SchemaChanged"
    assert "items.place" in caught.value.message
    assert str(before["kind"]) in caught.value.message


def test_uses_and_bounds_of_a_feature_may_change(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "lake"
    ingested(source, path)
    used = AGE | {"fairness": True, "edges": [18], "maximum": 120}
    assert ingested(source, path, mapping([used], [BRAND | {"maxCategories": 5}], []))


def test_declarations_go_with_the_versions_that_nothing_keeps(
    source: Path, tmp_path: Path
) -> None:
    path = tmp_path / "lake"
    versions = []
    for number in range(4):
        write(source / f"events/{number}.jsonl", [event(1, 10, START + 10 + number)])
        versions.append(ingested(source, path))
    for version in versions[:3]:
        os.utime(path / "declarations" / f"{version}.json", (1_000, 1_000))
    compaction.compact(path, keep=versions[:1], max_files=100)
    left = {file.stem for file in (path / "declarations").glob("*.json")}
    assert left == {versions[0], versions[3]}
    assert version_content.read_version(path, versions[0]).declaration == BEFORE.declaration
    assert compaction.compact(path, keep=versions[:1], max_files=100).files_removed == 0


def test_the_newest_declaration_stays_however_old_it_is(source: Path, tmp_path: Path) -> None:
    path = tmp_path / "lake"
    version = ingested(source, path)
    os.utime(path / "declarations" / f"{version}.json", (1_000, 1_000))
    compaction.compact(path, keep=())
    assert schema_files.read_schema(path, version) == BEFORE.declaration
