"""A window of attribution is halved until each part of a log has labels."""

from __future__ import annotations

import numpy as np
import pytest

from recommender_training.ingestion.guess_label import fitting_window

HOUR = 3600


@pytest.mark.parametrize(
    ("hours", "log_hours", "expected"),
    [
        (24, 24 * 365, 24),
        (121, 17 * 24, 15),  # less than half of a tenth of the log
        (24, 240, 6),
        (24, 1, 0.047),
    ],
)
def test_the_longest_window_that_leaves_labels_in_each_part(
    hours: float, log_hours: int, expected: float
) -> None:
    impressions = np.linspace(0, log_hours * HOUR, 2000).astype(np.int64)
    assert fitting_window(hours, impressions, int(impressions[-1])) == expected


def test_impressions_of_one_second_have_no_window() -> None:
    assert fitting_window(24, np.zeros(2000, np.int64), 0) is None
    assert fitting_window(24, np.arange(9), 10**9) is None
