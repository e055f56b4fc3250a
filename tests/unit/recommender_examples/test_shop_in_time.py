"""The mapping of the shop joins in time: what is exported again changes no earlier event."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from recommender_examples import shop
from recommender_examples.shop_settings import Broken, Settings
from recommender_examples.shop_world import DAY_MS, START_MS
from recommender_training.data.dataset import Dataset
from tests.unit.recommender_examples.shop_logs import SEED, SMALL, ingested

#: The last day, which is in the test window: nothing is learned from it.
DAY = SMALL.days - 1
BREAKS = (START_MS + DAY * DAY_MS) // 1000


def data_of(folder: Path, settings: Settings) -> Dataset:
    shop.write(folder, settings, SEED)
    return ingested(folder)


def known(data: Dataset) -> dict[str, npt.NDArray[Any]]:
    """All that the models read of user, context and item of each event, at its time."""
    rows, events = np.arange(len(data.events)), data.events
    items, places = data.items.at(events.item[rows], events.time[rows])
    return {
        "side": data.side_of_events(rows),
        "categories": items.tags[places].toarray(),
        "positions": items.positions[places],
        "times": items.times[places],
        "embeddings": items.embeddings[places],
    }


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return data_of(tmp_path_factory.mktemp("plain"), SMALL)


@pytest.mark.parametrize(
    ("feature", "part"),
    [("loyalty_tier", "side"), ("price", "positions"), ("brand", "categories")],
)
def test_a_feature_that_breaks_late_changes_nothing_that_earlier_events_read(
    plain: Dataset, tmp_path: Path, feature: str, part: str
) -> None:
    wrong = data_of(tmp_path, replace(SMALL, broken=Broken(feature, DAY)))
    before, after = known(plain), known(wrong)
    earlier = plain.events.time < BREAKS
    np.testing.assert_array_equal(plain.events.time, wrong.events.time)
    for name, values in before.items():
        np.testing.assert_array_equal(values[earlier], after[name][earlier], err_msg=name)
    right, broken = before[part][~earlier], after[part][~earlier]
    assert not np.array_equal(right, broken, equal_nan=True), "later events read the break"
