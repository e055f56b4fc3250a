"""`init` declares a log of shown items, with their response in a column of 0 and 1, as such."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mapped_files import START, write
from tests.unit.recommender_training.ingestion.test_mapping_trial import clicked
from tests.unit.recommender_training.ingestion.test_propose import kinds, proposed
from tests.unit.recommender_training.ingestion.test_propose_items import checked


@pytest.mark.parametrize(
    ("edit", "kind", "types"),
    [
        (lambda n, row: row, "csv", ["0", "1"]),
        (lambda n, row: row | {"time": START + n, "request_id": f"r{n // 5}"}, "csv", ["0", "1"]),
        (lambda n, row: row | {"clicked": float(row["clicked"])}, "csv", ["0.0", "1.0"]),
        (lambda n, row: row | {"clicked": bool(row["clicked"])}, "parquet", ["false", "true"]),
        (lambda n, row: row | {"clicked": bool(row["clicked"])}, "jsonl", ["false", "true"]),
    ],
)
def test_requests_with_both_classes_are_shown_items_with_their_response(
    tmp_path: Path,
    edit: Callable[[int, dict[str, Any]], dict[str, Any]],
    kind: str,
    types: list[str],
) -> None:
    write(tmp_path / f"raw/log.{kind}", [edit(n, clicked(n)) for n in range(300)])
    found = proposed(tmp_path / "raw")
    events, label = found.mapping["interactions"], found.mapping["label"]
    assert "value" not in events
    assert events["eventType"] == "clicked"
    assert [each["type"] for each in events["eventTypes"]] == types
    assert label["attribution"] == {"impressions": types, "hours": 0.001}
    assert label["positiveTypes"] == [{"type": types[1]}]
    (line,) = (line for line in found.lines if line.column == "clicked")
    assert "30 of 30 positive rows' requests" in line.warning
    assert "a log of shown items" in line.warning
    assert kinds(found, "interactions") == {"position": "Numeric"}
    assert checked(tmp_path, found).quarantined_rows == 0


@pytest.mark.parametrize(
    "edit",
    [
        lambda n, row: row | {"time": START + n},  # one row a second, and no column of requests
        lambda n, row: row | {"clicked": int(n // 5 % 2)},  # one class a request
        lambda n, row: row | {"clicked": n % 3},
    ],
)
def test_other_values_stay_values(
    tmp_path: Path, edit: Callable[[int, dict[str, Any]], dict[str, Any]]
) -> None:
    write(tmp_path / "raw/log.csv", [edit(n, clicked(n)) for n in range(300)])
    found = proposed(tmp_path / "raw")
    assert found.mapping["interactions"]["value"] == "clicked"
    assert "label" not in found.mapping
