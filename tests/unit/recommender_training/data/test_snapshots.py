"""The record of snapshots: retention, lookup by time, and atomic writes."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.common.errors import InputError
from recommender_training.data import data_versions, snapshots, time_format
from recommender_training.data.snapshots import By, Snapshot

TIME = 1_795_669_203
VERSION = "i3.u1.t0-0123456789abcdef"


def taken(at: int = TIME, number: int = 0, **facts: object) -> Snapshot:
    section = {"rows": 5, "new_rows": 1, "quarantined_rows": 0, "by": By.SNAPSHOT} | facts
    version = f"i{number}.u0.t0-0123456789abcdef"
    return Snapshot.model_validate({"taken_at": at, "data_version": version, **section})


def record(path: Path) -> dict[str, object]:
    content: dict[str, object] = json.loads((path / "snapshots.json").read_text())
    return content


histories = st.lists(st.integers(0, 4_000_000_000), max_size=40).map(
    lambda moments: tuple(taken(at, number) for number, at in enumerate(sorted(moments)))
)


@given(histories, st.integers(1, 50))
def test_the_newest_entries_are_kept_and_the_others_dropped(
    history: tuple[Snapshot, ...], keep: int
) -> None:
    kept = snapshots.newest(history, keep)
    assert (*kept.dropped, *kept.snapshots) == history
    assert len(kept.snapshots) == min(keep, len(history))
    assert snapshots.newest(kept.snapshots, keep).dropped == ()
    assert snapshots.newest(history, None) == snapshots.Kept(history, ())


@given(histories, st.integers(1, 50))
def test_entries_added_one_by_one_are_the_newest(history: tuple[Snapshot, ...], keep: int) -> None:
    kept: tuple[Snapshot, ...] = ()
    for entry in history:
        kept = tuple(snapshots.newest((*kept, entry), keep).snapshots)
        assert kept[-1] == entry
    assert kept == tuple(snapshots.newest(history, keep).snapshots)


@given(histories, st.integers(0, 4_000_000_000))
def test_as_of_returns_the_last_entry_up_to_the_time(
    history: tuple[Snapshot, ...], seconds: int
) -> None:
    found = snapshots.as_of(history, seconds)
    before = [entry for entry in history if entry.taken_at <= seconds]
    assert found == (before[-1] if before else None)


@given(histories, st.integers(0, 4_000_000_000), st.lists(st.integers(1, 10**9), max_size=9))
def test_later_entries_never_change_the_entry_of_an_earlier_time(
    history: tuple[Snapshot, ...], seconds: int, later: list[int]
) -> None:
    more = tuple(taken(seconds + after, 1000 + at) for at, after in enumerate(sorted(later)))
    before = tuple(entry for entry in history if entry.taken_at <= seconds)
    assert snapshots.as_of((*before, *more), seconds) == snapshots.as_of(before, seconds)


@given(histories, st.integers(1, 40), st.integers(0, 4_000_000_000))
def test_times_of_dropped_entries_have_an_older_entry_or_none(
    history: tuple[Snapshot, ...], keep: int, seconds: int
) -> None:
    kept = snapshots.newest(history, keep).snapshots
    found = snapshots.as_of(history, seconds)
    assert snapshots.as_of(kept, seconds) == (found if found in kept else None)


def test_the_later_of_two_entries_in_one_second_counts() -> None:
    history = (taken(TIME, 1), taken(TIME, 2), taken(TIME + 1, 3))
    assert snapshots.as_of(history, TIME) == history[1]


def test_the_newest_entry_of_a_version_counts() -> None:
    history = (taken(TIME, 1), taken(TIME + 1, 1), taken(TIME + 2, 2))
    assert snapshots.of_version(history, history[0].data_version) == history[1]
    assert snapshots.of_version(history, VERSION) is None


def test_the_file_is_that_of_the_contract(tmp_path: Path) -> None:
    snapshots.add_snapshot(tmp_path, taken(by=By.CHECK, new_rows=2, quarantined_rows=3))
    assert record(tmp_path) == {
        "schema": "recommender.dev/snapshots/v1",
        "snapshots": [
            {
                "takenAt": "2026-11-26T05:00:03Z",
                "dataVersion": "i0.u0.t0-0123456789abcdef",
                "rows": 5,
                "newRows": 2,
                "quarantinedRows": 3,
                "by": "check",
            }
        ],
    }


def test_added_entries_are_read_back_and_the_oldest_dropped(tmp_path: Path) -> None:
    assert snapshots.read_snapshots(tmp_path) == (), "absent: nothing was recorded yet"
    entries = [taken(TIME + number, number) for number in range(4)]
    for entry in entries[:3]:
        assert snapshots.add_snapshot(tmp_path, entry).dropped == ()
    kept = snapshots.add_snapshot(tmp_path, entries[3], keep=2)
    assert (list(kept.snapshots), list(kept.dropped)) == (entries[2:], entries[:2])
    assert list(snapshots.read_snapshots(tmp_path)) == entries[2:]
    assert list(snapshots.trim(tmp_path, 1).dropped) == entries[2:3]
    assert list(snapshots.read_snapshots(tmp_path)) == entries[3:]
    assert [path.name for path in tmp_path.iterdir()] == ["snapshots.json"]


def test_a_killed_writer_leaves_the_old_record_and_the_next_one_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshots.add_snapshot(tmp_path, taken())
    before = record(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            snapshots.add_snapshot(tmp_path, taken(TIME + 1, 1))
    assert record(tmp_path) == before
    (tmp_path / ".snapshots.json.part").write_bytes(b'{"sch')
    assert len(snapshots.add_snapshot(tmp_path, taken(TIME + 1, 1)).snapshots) == 2
    assert not list(tmp_path.glob(".*.part"))


ENTRY = taken().to_json()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'{"schema": "recommender.dev/snapshots/v1"}',
        b'{"schema": "recommender.dev/snapshots/v2", "snapshots": []}',
        *(
            json.dumps({"schema": snapshots.SCHEMA, "snapshots": [ENTRY | wrong]}).encode()
            for wrong in (
                {"dataVersion": "latest"},
                {"dataVersion": VERSION + "\n"},
                {"takenAt": "yesterday"},
                {"takenAt": "2026-11-26T05:00:03"},
                {"takenAt": -1},
                {"rows": -1},
                {"by": "hand"},
            )
        ),
    ],
)
def test_a_damaged_record_is_reported_with_the_remedy_and_not_changed(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "snapshots.json"
    path.write_bytes(content)
    for use in (
        lambda: snapshots.read_snapshots(tmp_path),
        lambda: snapshots.add_snapshot(tmp_path, taken()),
        lambda: snapshots.trim(tmp_path, 1),
    ):
        with pytest.raises(InputError, match="restore it, or move it away") as caught:
            use()
        assert caught.value.reason == "SnapshotsDamaged"
        assert str(path) in caught.value.message
    assert path.read_bytes() == content


def test_fields_of_a_later_release_are_accepted(tmp_path: Path) -> None:
    content = {"schema": snapshots.SCHEMA, "snapshots": [ENTRY | {"host": "a"}], "more": 1}
    (tmp_path / "snapshots.json").write_text(json.dumps(content))
    assert snapshots.read_snapshots(tmp_path) == (taken(),)


def test_a_version_is_not_newer_than_itself_or_later_ones() -> None:
    versions = [f"i{i}.u{u}.t0-0123456789abcdef" for i, u in ((1, 0), (2, 0), (2, 1), (3, 0))]
    first, second, third, fourth = versions
    assert all(data_versions.no_newer(first, each) for each in versions)
    assert data_versions.no_newer(second, third)
    assert not data_versions.no_newer(third, second)
    assert not data_versions.no_newer(third, fourth), "its users are newer"


@given(st.integers(0, 253_402_300_799))
def test_formatting_and_parsing_a_time_returns_the_same_time(seconds: int) -> None:
    assert time_format.parse_time(time_format.iso_time(seconds)) == seconds


@given(st.datetimes(), st.integers(-1439, 1439), st.sampled_from("Tt"))
def test_times_in_all_zones_are_parsed_to_whole_seconds(
    local: datetime.datetime, minutes: int, between: str
) -> None:
    at = local.replace(tzinfo=datetime.timezone(datetime.timedelta(minutes=minutes)))
    zero = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    seconds = (at.replace(microsecond=0) - zero) // datetime.timedelta(seconds=1)
    assert time_format.parse_time(at.isoformat().replace("T", between)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2026-11-26T05:00:03Z", TIME),
        ("2026-11-26t05:00:03z", TIME),
        ("2026-11-26T05:00:03.999999999Z", TIME),
        ("2026-11-26T06:00:03+01:00", TIME),
        ("2026-11-25T21:30:03-07:30", TIME),
        ("2026-11-26T05:00:03-00:00", TIME),
    ],
)
def test_forms_of_a_time(text: str, seconds: int) -> None:
    assert time_format.parse_time(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "", "yesterday", "2026-11-26", "2026-11-26T05:00:03", "2026-11-26 05:00:03Z",
        "20261126T050003Z", "2026-W48-4T05:00:03Z", "2026-11-31T05:00:03Z",
        "2026-11-26T24:00:00Z", "2026-11-26T05:00:61Z", "2026-11-26T05:00Z",
        "2026-11-26T05:00:03+0100", "2026-11-26T05:00:03+25:00", "2026-11-26T05:00:03+01:60",
        "0000-11-26T05:00:03Z", " 2026-11-26T05:00:03Z", "2026-11-26T05:00:03Z\n",
        "２026-11-26T05:00:03Z", "1795669203",
    ],
)  # fmt: skip
def test_texts_that_are_not_rfc_3339_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- the message is Python's, or ours
        time_format.parse_time(text)
