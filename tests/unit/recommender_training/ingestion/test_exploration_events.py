"""Explored places of the collector's files become a table of the data version."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recommender_contract.ids import hashed
from recommender_contract.resource.mapping import Format, IdKinds
from recommender_training.data import data_versions, lake, load, version_content
from recommender_training.ingestion import exploration_events, ingest
from recommender_training.ingestion.exploration_events import row_of
from recommender_training.ingestion.lines import Lines
from recommender_training.ingestion.mapping import Mapping
from recommender_training.ingestion.mapping_argument import parse_mapping

NOW = 1_795_000_000
MAPPING = {
    "interactions": {
        "files": "*/interactions.jsonl",
        "user": "user_id",
        "item": "item_id",
        "timestamp": "time",
        "timestampUnit": "Milliseconds",
        "eventType": "kind",
        "eventTypes": [{"type": "impression", "value": 2}, {"type": "click", "value": 5}],
    },
    "ids": {"user": "Text", "item": "Text"},
}
IDS = IdKinds.model_validate(MAPPING["ids"])
EVENT: dict[str, Any] = {
    "id": "v/1", "kind": "impression", "user": "ada", "items": ["tea", "cup", "jam"],
    "time": "2026-11-19T01:46:40.750Z", "path": "model",
    "explored": {"place": 2, "pool": ["mug", "jam"]},
}  # fmt: skip
SECOND = 1_795_052_800


def mapping(**parts: Any) -> Mapping:
    found = parse_mapping(json.dumps(MAPPING | parts), Format.JSON_LINES)
    assert found is not None
    return found


def batch(source: Path, number: int, events: list[Any]) -> None:
    """A folder as the writer makes it, of impressions."""
    folder = source / f"{number:012}"
    folder.mkdir(parents=True)
    rows = [
        {
            "user_id": each["user"],
            "item_id": item,
            "time": SECOND * 1000 + 750,
            "kind": each["kind"],
        }
        for each in events
        if isinstance(each, dict)
        for item in each["items"]
    ]
    for name, lines in (("interactions", rows), ("events", events)):
        texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (folder / f"{name}.jsonl").write_text("\n".join(texts) + "\n")


def checked(source: Path, path: Path) -> str:
    result = ingest.ingest_and_check(
        source, path, kind=Format.JSON_LINES, mapping=mapping(), now=SECOND + 100,
        max_quarantined_share=0.0,
    )  # fmt: skip
    return result.data_version


def without(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "explored"}


def test_places_are_a_table_of_the_version_under_its_digest(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    batch(source, 1, [EVENT])
    version = checked(source, path)
    tables = version_content.read_version(path, version)
    assert tables.explored is not None
    pool = f"{hashed('mug')} {hashed('jam')}"
    assert tables.explored.rows() == [(hashed("ada"), SECOND, hashed("jam"), 2, pool)]
    assert load.verify_version(path, version, None)[2] == 3
    _, data = load.load_dataset(path, version, None)
    assert data.explored is not None
    assert data.users.ids[data.explored.user].tolist() == [hashed("ada")]
    assert data.items.ids[data.explored.item].tolist() == [hashed("jam")]
    assert data.explored.pool.shape == (1, 2)
    assert data.explored.pool[0, 0] == -1, "nobody has seen a mug, so no table has it"
    assert data.explored.size.tolist() == [2]
    lake.overwrite(path, "explored", tables.explored.with_columns(place=pl.lit(1)))
    last = lake.newest(path, "explored")
    changed = version.replace(".e0-", f".e{last}-")
    (path / "declarations" / f"{changed}.json").write_text(
        (path / "declarations" / f"{version}.json").read_text()
    )
    with pytest.raises(Exception, match="no longer hold the content"):
        version_content.read_version(path, changed)


def test_events_without_places_leave_everything_as_it_was(tmp_path: Path) -> None:
    """The same version, digest included, as if there were no whole events."""
    batch(tmp_path / "raw", 1, [without(EVENT)])
    version = checked(tmp_path / "raw", tmp_path / "lake")
    (tmp_path / "raw" / f"{1:012}" / "events.jsonl").unlink()
    assert checked(tmp_path / "raw", tmp_path / "other") == version
    assert ".e" not in version
    assert not (tmp_path / "lake" / "explored").exists()
    assert load.load_dataset(tmp_path / "lake", version, None)[1].explored is None


def test_places_outside_the_loaded_times_are_part_of_the_digest_alone(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    batch(source, 1, [EVENT, EVENT | {"user": "eve", "time": "2026-11-09T01:46:40Z"}])
    version = checked(source, path)
    table = version_content.read_version(path, version).explored
    assert table is not None
    assert table.height == 2
    data = load.load_dataset(path, version, None)[1]
    assert data.explored is not None
    assert data.explored.time.tolist() == [SECOND]


def test_only_files_with_explored_places_are_read_by_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch(tmp_path / "raw", 1, [without(EVENT)])
    batch(tmp_path / "raw", 2, [EVENT])
    read: list[str] = []

    class Noted(Lines):
        def __init__(self, path: Path) -> None:
            read.append(path.parent.name)
            super().__init__(path)

    monkeypatch.setattr(exploration_events, "Lines", Noted)
    assert ".e0-" in checked(tmp_path / "raw", tmp_path / "lake")
    assert read == [f"{2:012}"]
    (empty := tmp_path / "empty").touch()
    assert not exploration_events.marked(empty)


def test_a_place_is_read_once_and_earlier_versions_stay_as_they_were(tmp_path: Path) -> None:
    source, path = tmp_path / "raw", tmp_path / "lake"
    batch(source, 1, [without(EVENT)])
    before = checked(source, path)
    batch(source, 2, [EVENT | {"user": "eve"}])
    first = checked(source, path)
    assert checked(source, path) == first, "a check without news changes nothing"
    shutil.copytree(source / f"{2:012}", source / f"{3:012}")  # as after an erasure: known rows
    with (source / f"{3:012}" / "events.jsonl").open("a") as stream:
        stream.write(json.dumps(without(EVENT) | {"user": "eve"}) + "\n")
    assert checked(source, path) == first
    batch(source, 4, [EVENT | {"user": "bob"}])
    second = checked(source, path)
    heights = {}
    for version in (before, first, second):
        table = version_content.read_version(path, version).explored
        heights[version] = None if table is None else table.height
    assert list(heights.values()) == [None, 1, 2]
    assert data_versions.no_newer(first, second)
    assert not data_versions.no_newer(second, first)
    assert not data_versions.no_newer(first, before)


def test_damaged_rows_are_quarantined_and_fail_no_check(tmp_path: Path) -> None:
    wrong = EVENT | {"user": "eve", "explored": {"place": 3, "pool": ["mug", "jam"]}}
    batch(tmp_path / "raw", 1, [EVENT, wrong, '{"explored": {"place"'])
    version = checked(tmp_path / "raw", tmp_path / "lake")
    table = version_content.read_version(tmp_path / "lake", version).explored
    assert table is not None
    assert table.height == 1
    bad = pl.read_delta(str(tmp_path / "lake" / "quarantine")).sort("line")
    assert bad.select("table", "line", "reason").rows() == [
        ("explored", 2, "BadExplored:place"),
        ("explored", 3, "BadJson"),
    ]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"user": 7}, "BadUserId"),
        ({"user": "a\n"}, "BadUserId"),
        ({"time": "yesterday"}, "BadTimestamp"),
        ({"time": "2026-11-19T01:46:40"}, "BadTimestamp"),
        ({"time": "2036-11-19T01:46:40Z"}, "FutureTimestamp"),
        ({"kind": "click"}, "BadExplored:kind"),
        ({"items": None}, "BadExplored:kind"),
        ({"explored": [2]}, "BadExplored:pool"),
        ({"explored": {"place": True, "pool": ["cup", "jam"]}}, "BadExplored:place"),
        ({"explored": {"place": 2, "pool": ["jam"]}}, "BadExplored:pool"),
        ({"explored": {"place": 2, "pool": ["jam", "jam"]}}, "BadExplored:pool"),
        ({"explored": {"place": 2, "pool": ["mug", "tea"]}}, "BadExplored:pool"),
        ({"explored": {"place": 2, "pool": ["jam", 5]}}, "BadItemId"),
        ({"explored": {"place": 2, "pool": ["jam", *map(str, range(20))]}}, "BadExplored:pool"),
        ({"explored": None}, None),
    ],
)
def test_each_damage_has_its_reason(change: dict[str, Any], reason: str | None) -> None:
    assert row_of(json.dumps(EVENT | change), IDS, SECOND) == reason


def test_whole_numbers_are_ids_where_the_mapping_says_so() -> None:
    event = EVENT | {"user": 7, "items": [1, 2, 3], "explored": {"place": 0, "pool": [5, 1]}}
    assert row_of(json.dumps(event), IdKinds(), SECOND) == (7, SECOND, 1, 0, "5 1")
    assert row_of(json.dumps(event | {"user": "7"}), IdKinds(), SECOND) == "BadUserId"
