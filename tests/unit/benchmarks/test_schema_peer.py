"""The peer of the shop's benchmark reads what was known when a page was shown."""

from __future__ import annotations

import collections
from dataclasses import replace

import numpy as np
import polars as pl

from recommender_examples.shop import Shop
from recommender_examples.shop_settings import Settings
from tests.benchmarks import schema_peer

SMALL = Settings(users=200, items=120, impressions=6000, days=6, positive_rate=0.01)


def test_the_last_click_is_of_an_earlier_page_of_the_session() -> None:
    shop = Shop(SMALL, 3)
    log = pl.concat([part.log for part in shop.impressions()])
    rows = schema_peer.columns(log, shop.users()[0], shop.items()[0])
    assert rows["impression_id"].equals(log["impression_id"])
    clicks = collections.defaultdict(list)
    for session, time in log.filter("clicked").select("session_id", "time").iter_rows():
        clicks[session].append(time)
    found = 0
    for session, time, last in rows.select("session_id", "time", "last_click").iter_rows():
        earlier = [each for each in clicks[session] if each < time]
        assert last == max(earlier, default=None)
        found += bool(earlier)
    assert found > 0


def test_encodings_are_of_the_training_rows_alone() -> None:
    shop = Shop(replace(SMALL, impressions=24_000), 3)  # bins need rows to be categories
    log = pl.concat([part.log for part in shop.impressions()])
    rows = schema_peer.columns(log, shop.users()[0], shop.items()[0])
    train = np.arange(rows.height) < rows.height // 2
    late = rows.with_columns(
        device=pl.when(pl.Series(train)).then("device").otherwise(pl.lit("watch")),
        log_price=pl.when(pl.Series(train)).then("log_price").otherwise(14.0),
    )
    plain, changed = (schema_peer.design(each, train)[train] for each in (rows, late))
    assert (plain != changed).nnz == 0
