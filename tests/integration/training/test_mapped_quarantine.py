"""Bad rows of mapped files are quarantined with the reason, and too many reject the source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recommender_contract.resource.mapping import Format
from recommender_training.data import lake
from recommender_training.ingestion import mapped_ingest
from tests.integration.training.mapped_events import FORMATS, ROWS, failure
from tests.mapped_files import (
    EXTENSIONS,
    INTERACTIONS,
    NOW,
    START,
    check,
    declare,
    event,
    reasons,
    table,
    write,
)


def test_too_many_segments_are_refused(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, path = folders
    monkeypatch.setattr(mapped_ingest, "MAX_SEGMENTS", 2)
    write(source / "events/a.csv", [event(n, 1, START, who=f"u{n}") for n in range(4)])
    mapping = declare(interactions=INTERACTIONS | {"segment": "who"})
    error = failure(source, path, mapping)
    assert error.reason == "TooManySegments"
    assert "u0, u1, u2" in error.message
    assert lake.newest(path, "interactions") is None


def test_a_repeated_event_is_kept_once_and_the_others_are_quarantined(
    folders: tuple[Path, Path],
) -> None:
    source, path = folders
    write(source / "events/a.csv", [*ROWS, ROWS[0], event(1, 10, START, 2)])
    write(source / "events/b.csv", [ROWS[1], event(1, 11, START + 86_400, 4)])
    result = check(source, path, declare())
    assert (result.rows, result.new_rows, result.quarantined_rows) == (3, 3, 3)
    found = table(path, "quarantine").sort("file", "line").select("file", "line", "row", "reason")
    assert found.rows() == [
        ("events/a.csv", 5, f"1,10,{START},5", "DuplicateEvent"),
        ("events/a.csv", 6, f"1,10,{START},2", "DuplicateEvent"),
        ("events/b.csv", 3, f"1,11,{START + 86_400},4", "ConflictingEvent"),
    ]
    assert table(path, "batches").sort("file")["known_rows"].to_list() == [0, 1]


def test_too_many_bad_rows_reject_the_whole_source(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS)
    write(source / "events/b.csv", [event(1, 10, (START + n) * 1000) for n in range(5)])
    for _ in range(2):
        error = failure(source, path, declare(), share=0.5)
        assert error.reason == "TooManyQuarantinedRows"
        assert "5 of 8 rows of interactions" in error.message
        assert "TimestampLooksLikeMilliseconds 5" in error.message
        assert "set timestampUnit of the mapping to Milliseconds" in error.message
        assert "events/b.csv line 2" in error.message
    assert lake.newest(path, "interactions") is None
    assert table(path, "batches").height == 0
    assert table(path, "quarantine").height == 5
    fixed = declare(interactions=INTERACTIONS | {"timestampUnit": "Milliseconds"})
    error = failure(source, path, fixed, share=0.3)
    assert "TimestampLooksLikeSeconds 3" in error.message


def test_rows_quarantined_by_an_earlier_check_count_in_the_next(
    folders: tuple[Path, Path],
) -> None:
    source, path = folders
    write(source / "events/a.csv", [*ROWS, event("x", 1, START)])
    check(source, path, declare(), share=0.25)
    error = failure(source, path, declare(), share=0.24)
    assert error.reason == "TooManyQuarantinedRows"
    assert "1 of 4 rows of interactions" in error.message


def test_text_ids_are_refused_with_the_remedy(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", [event('smith, "jo" é', 10, START), *ROWS])
    error = failure(source, path, declare(), share=0.01)
    assert "BadUserId 1" in error.message
    assert "for text ids, set ids.user of the mapping to Text" in error.message
    assert table(path, "quarantine")["row"].to_list() == [f'"smith, ""jo"" é",10,{START},5']


@pytest.mark.parametrize("kind", FORMATS)
def test_empty_or_missing_files_are_named(folders: tuple[Path, Path], kind: Format) -> None:
    source, path = folders
    source.mkdir()
    error = failure(source, path, declare(kind), kind)
    assert (error.reason, "events/*" in error.message) == ("DataMissing", True)
    file = source / "events" / f"a.{EXTENSIONS[kind]}"
    file.parent.mkdir()
    file.touch()
    error = failure(source, path, declare(kind), kind)
    assert error.reason == "UnreadableData"
    assert f"{file} is empty" in error.message


@pytest.mark.parametrize("name", ["users", "items"])
def test_a_table_without_any_row_is_refused_with_field_value_and_remedy(
    folders: tuple[Path, Path], name: str
) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS)
    (source / "side").mkdir()
    (source / "side/a.csv").write_text("id,kind\n")
    kind = {"name": "kind", "kind": "Categorical"}
    section: dict[str, Any] = {name: {"files": "side/*", "id": "id", "features": [kind]}}
    declared = declare(**section)
    error = failure(source, path, declared)
    assert error.reason == "UnreadableData"
    assert error.message == (
        f"{name}.files: 'side/*' has no row; write the files again, or remove {name} from the "
        "mapping"
    )
    write(source / "side/b.csv", [{"id": 10, "kind": "book"}])
    assert check(source, path, declared).rows == 3


def test_a_file_of_two_tables_is_refused(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", ROWS)
    error = failure(source, path, declare(users={"files": "events/a*", "id": "user"}))
    assert error.reason == "InvalidMapping"
    assert "a.csv" in error.message


def test_future_events_are_quarantined(folders: tuple[Path, Path]) -> None:
    source, path = folders
    write(source / "events/a.csv", [*ROWS, event(1, 1, NOW + 86_400), event(1, 1, NOW + 86_401)])
    assert check(source, path, declare()).rows == 4
    assert reasons(path) == {"FutureTimestamp": 1}
