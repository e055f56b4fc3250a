"""A lake leaves a mark beside the collector's files: how far it has read them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from recommender_collector.writers import lake_marks
from recommender_collector.writers.file_batches import Batches
from recommender_contract.resource.mapping import Format
from recommender_training.common.errors import InputError
from recommender_training.ingestion import read_marks
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests import erased_lake
from tests.erased_lake import ERASED, OTHERS, batch, check, listed, raw_files


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = raw_files(tmp_path)
    lake_marks.prepare(source)
    return source


def _marks(source: Path) -> list[tuple[int, tuple[int, int]]]:
    """As the writer reads them."""
    return [(each.through, each.erasures) for each in lake_marks.marks(source)]


def test_the_writer_reads_what_a_check_has_marked(source: Path, tmp_path: Path) -> None:
    check(source, tmp_path / "lake")
    assert _marks(source) == [(2, (0, 0))]
    batch(source, 3, OTHERS, 3)
    listed(source)
    check(source, tmp_path / "lake")
    assert _marks(source) == [(3, (1000 * ERASED, 0))]
    assert lake_marks.oldest_erasure(Batches(source), lake_marks.marks(source)) is None
    check(source, tmp_path / "other-lake")
    assert len(_marks(source)) == 2


def test_a_mark_of_a_check_that_failed_is_not_left(source: Path, tmp_path: Path) -> None:
    check(source, tmp_path / "lake")
    batch(source, 3, OTHERS, 3)
    (source / f"{3:012}" / "interactions.jsonl").write_bytes(b"")
    with pytest.raises(InputError):
        check(source, tmp_path / "lake")
    assert _marks(source) == [(2, (0, 0))]


def test_what_comes_while_a_check_reads_is_not_marked(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = read_marks.leave

    def late(*arguments: Any) -> None:
        batch(source, 3, OTHERS, 3)
        listed(source)
        leave(*arguments)

    monkeypatch.setattr(read_marks, "leave", late)
    check(source, tmp_path / "lake")
    assert _marks(source) == [(2, (0, 0))]
    assert lake_marks.oldest_erasure(Batches(source), lake_marks.marks(source)) == 1000 * ERASED


def test_other_sources_get_no_mark(tmp_path: Path) -> None:
    source = raw_files(tmp_path)
    before = sorted(source.rglob("*"))
    check(source, tmp_path / "lake")
    assert sorted(source.rglob("*")) == before


def test_a_folder_that_cannot_be_written_fails_no_check(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (source / "_lakes").rmdir()
    os.symlink("/proc/self", source / "_lakes")  # a folder that nobody can write to
    assert check(source, tmp_path / "lake").rows
    assert "cannot be written" in capsys.readouterr().err + capsys.readouterr().out


@pytest.mark.parametrize(
    ("pattern", "marked"),
    [
        ("*/interactions.jsonl", True),
        ("**/interactions.jsonl", True),
        ("*/*.jsonl", True),
        ("0*/interactions.jsonl", True),
        ("000000000001/interactions.jsonl", False),
        ("*.jsonl", False),
        ("a/*/interactions.jsonl", False),
    ],
)
def test_a_mapping_that_leaves_batches_out_leaves_no_mark(
    source: Path, pattern: str, marked: bool
) -> None:
    text: dict[str, Any] = json.loads(json.dumps(erased_lake.MAPPING))
    text["interactions"]["files"] = pattern
    mapping = parse_mapping(json.dumps(text), Format.JSON_LINES)
    seen = read_marks.files_to_read(source, Format.JSON_LINES, mapping)
    assert (seen is not None) is marked


def test_the_writer_removes_what_all_lakes_have_read(source: Path, tmp_path: Path) -> None:
    check(source, tmp_path / "lake")
    through = min(each.through for each in lake_marks.marks(source))
    batch(source, 3, OTHERS, 3)
    batch(source, 4, OTHERS, 4)
    assert Batches(source).remove_before(1e12, through) == 1
    assert Batches(source).numbers() == [3, 4]
    again = check(source, tmp_path / "lake")
    assert again.new_rows
