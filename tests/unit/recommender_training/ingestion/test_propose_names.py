"""`init` knows usual names of labels and forms of times, and a check reads what it proposes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from recommender_training.ingestion import ingest
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.mapped_files import START, write
from tests.unit.recommender_training.ingestion.test_propose import kinds, proposed


@pytest.mark.parametrize("label", ["click", "is_click", "clicks", "label", "target", "is_liked"])
def test_usual_names_of_a_label_are_its_value_and_propensities_are_no_feature(
    tmp_path: Path, label: str
) -> None:
    rows = [
        {"user_id": n, "item_id": n, "timestamp": f"2026-01-01 00:{n:02}:00 UTC",
         label: int(n % 2 == 0), "propensity": 0.1 + n / 100, "place": n % 3}
        for n in range(40)
    ]  # fmt: skip
    write(tmp_path / "raw/a.csv", rows)
    found = proposed(tmp_path / "raw")
    assert found.mapping["interactions"]["value"] == label
    assert found.mapping["interactions"]["timestampUnit"] == "ISO8601"
    assert kinds(found, "interactions") == {"place": "Numeric"}
    mapping = parse_mapping(json.dumps(found.mapping), found.kind)
    result = ingest.ingest_and_check(
        tmp_path / "raw", tmp_path / "lake", kind=found.kind, mapping=mapping
    )
    assert result.quarantined_rows == 0


def test_times_in_microseconds_are_proposed_and_read_as_such(tmp_path: Path) -> None:
    rows = [
        {"user_id": n, "item_id": n, "event_time": (START + n) * 1_000_000, "event": "purchase"}
        for n in range(9)
    ]
    write(tmp_path / "raw/a.csv", rows)
    found = proposed(tmp_path / "raw")
    assert found.mapping["interactions"]["timestampUnit"] == "Microseconds"
    mapping = parse_mapping(json.dumps(found.mapping), found.kind)
    result = ingest.ingest_and_check(
        tmp_path / "raw", tmp_path / "lake", kind=found.kind, mapping=mapping
    )
    assert result.quarantined_rows == 0


@pytest.mark.parametrize(
    ("column", "times"),
    [
        ("ordered_at", "2026-01-01 00:00:00"), ("orderDate", "2026-01-01"),
        ("purchase_ts", START), ("unixReviewTime", START), ("t_dat", "2026-01-01"),
        ("Event Time", "2026-01-01T00:00:00Z"), ("time_of_visit", START * 1000),
    ],
)  # fmt: skip
def test_a_column_of_times_is_known_by_its_name_and_its_values(
    tmp_path: Path, column: str, times: object
) -> None:
    rows = [
        {"user_id": n, "item_id": n, "last_time": n, "date_of_list": "1st", column: times}
        for n in range(9)
    ]
    write(tmp_path / "raw/a.csv", rows)
    assert proposed(tmp_path / "raw").mapping["interactions"]["timestamp"] == column


def test_of_several_times_the_plainest_name_is_the_time_of_the_event(tmp_path: Path) -> None:
    rows = [
        {"user_id": n, "item_id": n, "released_date": "2020-01-01", "updated_at": START,
         "timestamp": START + n}
        for n in range(9)
    ]  # fmt: skip
    write(tmp_path / "raw/a.csv", rows)
    assert proposed(tmp_path / "raw").mapping["interactions"]["timestamp"] == "timestamp"
