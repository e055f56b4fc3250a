"""The generated data of the large training are what its mapping declares."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from tests.benchmarks import large_data


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(large_data, "PART_ROWS", 2_000)
        written = large_data.write(folder, 5_000, 300)
    events = pl.read_parquet(folder / "raw/events/*.parquet")
    assert written == {"rows": events.height, "users": 50, "items": 300}
    return folder / "raw"


def test_each_part_has_users_of_its_own_and_no_pair_is_repeated(raw: Path) -> None:
    events = pl.read_parquet(raw / "events/*.parquet")
    assert len(list((raw / "events").iterdir())) == 3
    assert events.select("user", "item").is_unique().all()
    assert events["user"].is_between(1, 50).all()
    assert events["item"].is_between(1, 300).all()
    assert events["rating"].is_between(1, 5).all()
    assert pl.read_parquet(raw / "users/*.parquet")["user"].to_list() == list(range(1, 51))


def test_items_differ_in_popularity_and_users_in_what_they_like(raw: Path) -> None:
    events = pl.read_parquet(raw / "events/*.parquet")
    counts = events["item"].value_counts(sort=True)["count"]
    assert counts[0] > 2 * counts[150]
    joined = events.join(pl.read_parquet(raw / "items/*.parquet"), on="item")
    by_genre = joined.group_by("user", "genres").len().pivot("genres", index="user", values="len")
    shares = by_genre.drop("user").fill_null(0)
    largest = (shares.max_horizontal() / shares.sum_horizontal()).mean()
    assert isinstance(largest, float)
    assert largest > 0.35  # a sixth without tastes


def test_a_user_comes_in_sessions_of_several_events(raw: Path) -> None:
    events = pl.read_parquet(raw / "events/*.parquet").sort("user", "time")
    gaps = events.select(pl.col("time").diff().over("user"))["time"].drop_nulls()
    within = (gaps <= 30 * 60).mean()
    assert isinstance(within, float)
    assert 0.7 < within < 0.95
