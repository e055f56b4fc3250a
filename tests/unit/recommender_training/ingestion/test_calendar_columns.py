"""One column of times may be several features: its age, its weekday and its hour elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recommender_contract.resource.mapping import Format
from recommender_training.data import load
from tests.mapped_files import EXTENSIONS, INTERACTIONS, START, check, declare, event, write

TIME: dict[str, Any] = {"column": "joined", "kind": "Timestamp", "unit": "ISO8601"}
FEATURES = [
    TIME | {"name": "joined"},
    TIME | {"name": "weekday", "calendar": "DayOfWeek"},
    TIME | {"name": "hour", "calendar": "HourOfDay", "timeZone": "America/New_York"},
]
#: The column of the time of the event is one of its features too.
OPENED: dict[str, Any] = {
    "name": "opened", "column": "at", "kind": "Timestamp", "calendar": "Month",
}  # fmt: skip


@pytest.mark.parametrize("kind", EXTENSIONS)
def test_a_column_is_read_once_for_each_feature_that_names_it(
    tmp_path: Path, kind: Format
) -> None:
    raw, end = tmp_path / "raw", EXTENSIONS[kind]
    write(raw / f"events/a.{end}", [event(1, 10, START), event(2, 10, START + 1)])
    thursday = "2025-12-25T02:30:00Z"  # 21:30 of the day before in New York
    write(raw / f"users.{end}", [{"id": 1, "joined": thursday}, {"id": 2, "joined": None}])
    mapping = declare(
        kind,
        interactions=INTERACTIONS | {"features": [OPENED]},
        users={"files": f"users.{end}", "id": "id", "features": FEATURES},
    )
    found = check(raw, tmp_path / "lake", mapping, kind, share=0.0)
    _, data = load.load_dataset(tmp_path / "lake", found.data_version, None)
    day = np.float32((START - 7 * 86_400 + 9000) / 86_400)
    unknown = [np.nan] * 3
    np.testing.assert_array_equal(data.users.side, np.array([[day, 3, 21], unknown], "f4"))
    np.testing.assert_array_equal(data.events.context_of(np.arange(2)), np.zeros((2, 1)))
