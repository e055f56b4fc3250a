"""Users whose taste depends on the season, as data and as events of three weeks."""

from __future__ import annotations

import collections
import json
import time

import pytest

from tests.scenario import seasons
from tests.scenario.world import parsed_time

NOW = 1_700_000_000.0


def test_the_device_that_clicks_is_another_in_the_odd_season() -> None:
    for odd, likes in ((False, "phone"), (True, "desk")):
        rows = list(map(json.loads, seasons.season(0, 14, 1000, odd=odd, seed=1).splitlines()))
        seen = collections.Counter((row["kind"], row["device"]) for row in rows)
        rates = {each: seen["click", each] / seen["impression", each] for each in seasons.DEVICES}
        assert max(rates, key=rates.__getitem__) == likes
        assert sorted(rates.values()) == pytest.approx([seasons.OTHER, seasons.LIKED], abs=0.03)


def test_events_are_of_whole_weeks_that_are_over_with_a_user_for_each_list() -> None:
    events = list(seasons.outcomes("shop", "shop-1", lambda said, _page, _week: said, NOW))
    assert len({each["id"] for each in events}) == len(events)
    lists = [each for each in events if each["kind"] == "impression"]
    assert len({each["user"] for each in lists}) == len(lists) == seasons.people()
    days = {each["time"] // seasons.DAY for each in events}
    assert len(days) == 7 * seasons.WEEKS
    assert max(days) < NOW // seasons.DAY - 1
    assert min(days) * seasons.DAY == parsed_time(seasons.weeks_ago(NOW)).timestamp()
    expected = sum(sum(each["probabilities"]) for each in lists)
    assert len(events) - len(lists) == pytest.approx(expected, rel=0.05)


def test_the_first_of_these_days_is_accepted_by_a_collector() -> None:
    first = parsed_time(seasons.weeks_ago(time.time())).timestamp()
    assert time.time() - first < 30 * seasons.DAY
