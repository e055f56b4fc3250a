"""Old versions of the tables stay readable after any number of later commits."""

from __future__ import annotations

import os
import time
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable, PostCommitHookProperties, write_deltalake

from recommender_training.data import compaction, lake

#: Delta then writes a checkpoint of its log, and may clean it, at each third commit.
OFTEN = {"delta.checkpointInterval": "3"}


def rows(number: int) -> pl.DataFrame:
    facts = {"user_id": number, "item_id": number, "value": 3.0, "timestamp": number}
    return pl.DataFrame({**facts, "event_date": "2026-01-01", "segment": "all"})


def age(log: Path) -> None:
    """Make all entries 40 days old."""
    for file in log.iterdir():
        os.utime(file, (time.time() - 40 * 86_400,) * 2)


@pytest.mark.parametrize("of_earlier_release", [False, True])
def test_a_version_of_more_than_a_month_ago_is_read_after_any_later_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_earlier_release: bool
) -> None:
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
    table = tmp_path / "interactions"
    if of_earlier_release:
        write_deltalake(
            str(table),
            rows(0),
            partition_by=["event_date", "segment"],
            post_commithook_properties=PostCommitHookProperties(cleanup_expired_logs=False),
        )
    else:
        lake.append(tmp_path, "interactions", rows(0), ["event_date", "segment"])
    DeltaTable(str(table)).alter.set_table_properties(OFTEN, raise_if_not_exists=False)
    for number in range(1, 8):
        age(table / "_delta_log")
        lake.append(tmp_path, "interactions", rows(number), ["event_date", "segment"])
    age(table / "_delta_log")
    compaction.compact_interactions(tmp_path, max_files=1)
    compaction.compact(tmp_path, keep=["i0.u0.t0-0123456789abcdef"], retention_hours=0)
    old, new = (pl.scan_delta(DeltaTable(str(table), version=number)) for number in (0, None))
    assert (old.collect().height, new.collect().height) == (1, 8)
    assert len(list(table.glob("_delta_log/*.checkpoint.parquet"))) > 1, (
        "at the configured interval"
    )


def test_compaction_keeps_the_log_of_a_table_of_an_earlier_release(tmp_path: Path) -> None:
    """`optimize` takes no word of the caller on this, the table's property alone."""
    table = tmp_path / "interactions"
    kept = PostCommitHookProperties(cleanup_expired_logs=False)
    for number in range(7):
        write_deltalake(
            str(table), rows(number), mode="append", partition_by=["event_date", "segment"],
            configuration=OFTEN, post_commithook_properties=kept,
        )  # fmt: skip
    age(table / "_delta_log")
    assert compaction.compact_interactions(tmp_path, max_files=1) == 1
    assert pl.scan_delta(DeltaTable(str(table), version=0)).collect().height == 1


def test_a_version_missing_from_the_log_does_not_stop_a_vacuum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "MIN_RETENTION_HOURS", 0)
    lake.append(tmp_path, "interactions", rows(0), ["event_date", "segment"])
    gone = "i77.u0.t0-0123456789abcdef"
    done = compaction.compact(tmp_path, keep=[gone], retention_hours=0)
    assert done == compaction.Compacted(0, 0)
