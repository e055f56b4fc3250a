"""An erased user leaves every file of the lake, and stays out of it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from recommender_contract.erasures import digest
from recommender_contract.ids import hashed
from recommender_training.common.errors import InputError
from recommender_training.data import (
    compaction,
    data_versions,
    erasures,
    lake,
    load,
    snapshots,
    version_content,
)
from recommender_training.ingestion import erase, time_travel
from tests.erased_lake import (
    DAY,
    DIGEST,
    ERASED,
    NOW,
    OTHERS,
    START,
    USER,
    apply,
    batch,
    check,
    checked_twice,
    content,
    listed,
    raw_files,
    traces,
    without_user,
)

TABLES = (*erase.TABLES, "items", "batches")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return raw_files(tmp_path)


@pytest.fixture
def path(source: Path, tmp_path: Path) -> Path:
    return checked_twice(source, tmp_path)


def rows(path: Path, name: str) -> pl.DataFrame:
    found = pl.scan_delta(str(path / name)).collect()
    return found.sort(found.columns)


def test_the_user_is_in_every_table_before(path: Path) -> None:
    found = erase.find_users(path, {DIGEST})
    assert found.rows == {
        "explored": 2, "interactions": 5, "quarantine": 4, "users": 1, "ids": 1,
    }  # fmt: skip
    assert found.users == 1


def test_no_file_of_the_lake_names_the_user_afterwards(path: Path) -> None:
    DeltaTable(str(path / "interactions")).create_checkpoint()  # with statistics of its own
    (path / ".staging").mkdir()
    (path / ".staging" / "0.parquet").write_bytes(USER.encode())  # of a killed check
    (path / "users" / "part.parquet#1").write_bytes(USER.encode())
    (path / "users" / "_delta_log" / "_commit_1.json.tmp").write_bytes(USER.encode())
    assert len({trace.split("/")[0] for trace in traces(path)}) >= len(erase.TABLES)
    apply(path)
    assert traces(path) == []


def test_the_rows_of_others_stay(path: Path) -> None:
    before = {name: rows(path, name) for name in TABLES}
    apply(path)
    for name in TABLES:
        after, was = rows(path, name), before[name]
        if name in ("interactions", "explored", "users"):
            was = was.filter(pl.col("user_id") != hashed(USER))
        elif name == "ids":
            was = was.filter(pl.col("id") != hashed(USER))
        elif name == "quarantine":
            was = was.filter(~pl.col("row").str.contains("zoe"))
        assert after.equals(was), name


def test_the_lake_is_as_if_the_user_had_never_been_there(
    source: Path, path: Path, tmp_path: Path
) -> None:
    without_user(source)
    listed(source)
    found = check(source, path)
    other = check(source, tmp_path / "other")
    assert data_versions.digest_of(found.data_version) == data_versions.digest_of(
        other.data_version
    )
    assert found.rows == other.rows


def test_a_check_applies_the_list_beside_the_files(source: Path, path: Path) -> None:
    listed(source)
    check(source, path)
    assert traces(path) == []
    assert erasures.read_erasures(path).users == {DIGEST: ERASED}


def test_earlier_rows_stay_out_while_the_files_still_have_them(
    source: Path, tmp_path: Path
) -> None:
    listed(source)
    check(source, tmp_path / "lake")
    batch(source, 3, (USER, OTHERS[0]), 19)
    check(source, tmp_path / "lake")
    assert traces(tmp_path / "lake") == []
    users = rows(tmp_path / "lake", "interactions")["user_id"].unique()
    assert {*users} == {hashed(user) for user in OTHERS}


def test_a_user_who_comes_back_has_the_later_rows_and_attributes(source: Path, path: Path) -> None:
    listed(source)
    check(source, path)
    batch(source, 3, (USER,), 21)
    check(source, path)
    mine = rows(path, "interactions").filter(pl.col("user_id") == hashed(USER))
    assert mine["timestamp"].min() == START + 21 * DAY
    (user,) = rows(path, "users").filter(pl.col("user_id") == hashed(USER)).rows(named=True)
    assert user["tier"] == "gold"
    assert rows(path, "ids").filter(pl.col("text") == USER).height == 1
    check(source, path)  # not erased once more
    assert rows(path, "interactions").filter(pl.col("user_id") == hashed(USER)).height == 3
    listed(source, at=START + 30 * DAY)
    check(source, path)
    assert traces(path) == []


def test_a_second_erasure_changes_nothing(source: Path, path: Path) -> None:
    listed(source)
    first = check(source, path)
    before = content(path)
    assert apply(path) == erase.Erased()
    assert content(path) == before
    assert check(source, path).data_version == first.data_version


def test_a_user_whom_the_lake_does_not_know_costs_no_history(path: Path) -> None:
    version = snapshots.read_snapshots(path)[0].data_version
    with lake.locked(path):
        done = erase.erase(path, {digest(1): ERASED})
    assert done.found == erase.Found()
    version_content.read_version(path, version)


def test_tables_without_rows_of_the_user_keep_their_history(path: Path) -> None:
    apply(path)
    assert DeltaTable(str(path / "items"), version=0).version() == 0
    assert erasures.read_erasures(path).first.keys() == {"interactions", "users", "explored"}


def test_earlier_data_versions_are_refused_with_the_reason(path: Path) -> None:
    old = [each.data_version for each in snapshots.read_snapshots(path)]
    assert apply(path).ended == tuple(old)
    for version in old:
        for read in (
            lambda it: version_content.read_version(path, it),
            lambda it: load.load_dataset(path, it, None),
            lambda it: load.verify_version(path, it, None),
        ):
            with pytest.raises(InputError, match="a user who was erased on") as refused:
                read(version)
            assert refused.value.reason == "DataVersionErased"
    assert snapshots.read_snapshots(path) == ()


def test_time_travel_to_before_says_why_there_is_no_snapshot(path: Path) -> None:
    apply(path, name=True)
    with pytest.raises(InputError, match=r"an erasure on .* ended") as refused:
        time_travel.find_version(path, "2026-11-02T00:00:00Z", NOW)
    assert refused.value.reason == "NoSnapshot"


def test_a_reader_that_is_overtaken_says_that_the_version_was_erased(path: Path) -> None:
    version = snapshots.read_snapshots(path)[-1].data_version
    scans = version_content.scan_version(path, version)
    apply(path)
    with (
        pytest.raises(InputError) as refused,
        version_content.intact(path, version),
    ):
        scans.tables["interactions"].collect()
    assert refused.value.reason == "DataVersionErased"


def test_the_new_data_version_can_be_named_and_read(path: Path) -> None:
    version = apply(path, name=True).data_version
    assert version is not None
    found = version_content.read_version(path, version)
    assert found.users.height == len(OTHERS)
    (entry,) = snapshots.read_snapshots(path)
    assert (entry.data_version, entry.by) == (version, "erase")


def test_a_lake_goes_on_after_an_erasure(source: Path, path: Path) -> None:
    listed(source)
    for number in range(3, 6):
        batch(source, number, OTHERS, number)
        found = check(source, path)
        version_content.read_version(path, found.data_version)
    lake.keep_log(path, "interactions")
    compaction.compact(path, keep=[found.data_version], retention_hours=24)
    version_content.read_version(path, found.data_version)


def test_the_record_holds_no_id(path: Path) -> None:
    apply(path)
    text = (path / erasures.FILE).read_text()
    assert USER not in text
    assert DIGEST in text


def test_a_damaged_record_stops_a_check(source: Path, path: Path) -> None:
    apply(path)
    (path / erasures.FILE).write_text('{"schema": "recommender.dev/erasures/v1", "users": 7}')
    with pytest.raises(InputError, match=r"erasures\.json cannot be read \(users") as refused:
        check(source, path)
    assert refused.value.reason == "ErasuresDamaged"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not a list|no list"),
        ('["a"]', "line 1 is not an object"),
        ('{"user": "zoe", "time": "2026-11-02T00:00:00Z"}', "'zoe', not 32 hex digits"),
        (f'{{"user": "{"a" * 32}", "time": "monday"}}', "'monday' is not an RFC 3339"),
    ],
)
def test_a_wrong_list_stops_a_check(source: Path, path: Path, line: str, problem: str) -> None:
    listed(source)
    (source / "_erasures" / "9-9.jsonl").write_text(line + "\n")
    with pytest.raises(InputError, match=problem) as refused:
        check(source, path)
    assert refused.value.reason == "UnreadableData"
