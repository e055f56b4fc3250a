"""Files of requests and answers: lines keep their numbers, and a file is whole or as before."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl
import pytest

from recommender_contract.ids import INTEGERS
from recommender_training.answers import answer_files
from recommender_training.answers.offline_version import Answer
from recommender_training.common.errors import InputError

COLUMNS = answer_files.schema(INTEGERS, numbered=True)


def answers(first: int, count: int) -> list[Answer]:
    return [
        {"line": first + place, "items": [1, 2], "scores": [0.5, 0.25]} for place in range(count)
    ]


def failing() -> Iterator[Sequence[Answer]]:
    yield answers(1, 3)
    raise ValueError("in the middle")


def test_empty_lines_count_but_are_no_requests(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text('{"a": 1}\n\n  \n{"a": 2}')
    assert list(answer_files.read_requests(tmp_path / "r.jsonl")) == [
        (1, b'{"a": 1}'), (4, b'{"a": 2}'),
    ]  # fmt: skip


def test_nulls_of_parquet_rows_are_absent_fields(tmp_path: Path) -> None:
    rows = [
        {"user_id": 1, "user": {"age": None, "town": "a"}, "session": [{"item": 3, "at": None}]},
        {"user_id": None, "user": {"age": 3, "town": None}, "session": None},
    ]  # fmt: skip
    pl.DataFrame(rows).write_parquet(tmp_path / "r.parquet")
    found = [(number, json.loads(row)) for number, row in
             answer_files.read_requests(tmp_path / "r.parquet")]  # fmt: skip
    assert found == [
        (1, {"user_id": 1, "user": {"town": "a"}, "session": [{"item": 3}]}),
        (2, {"user": {"age": 3}}),
    ]


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "r.parquet").write_text("no Parquet")
    with pytest.raises(InputError, match=r"r\.parquet cannot be read"):
        list(answer_files.read_requests(tmp_path / "r.parquet"))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_answers_keep_their_order_through_many_parts(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    parts = [answers(1 + 250 * part, 250) for part in range(40)]
    answer_files.write_answers(path, parts, COLUMNS)
    if suffix == ".parquet":
        lines = pl.read_parquet(path)["line"].to_list()
    else:
        lines = [json.loads(line)["line"] for line in path.read_text().splitlines()]
    assert lines == list(range(1, 10_001))


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_failure_leaves_the_former_file_and_nothing_else(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text("former")
    with pytest.raises((ValueError, pl.exceptions.ComputeError), match="in the middle"):
        answer_files.write_answers(path, failing(), COLUMNS)
    assert path.read_text() == "former"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_no_answers_are_an_empty_file_with_columns(tmp_path: Path) -> None:
    answer_files.write_answers(tmp_path / "a.parquet", [], COLUMNS)
    assert pl.read_parquet(tmp_path / "a.parquet").schema == pl.Schema(COLUMNS)


def test_answers_go_neither_into_the_artifact_nor_without_a_format(tmp_path: Path) -> None:
    answer_files.check_output(tmp_path / "lists" / "a.jsonl", tmp_path / "artifact")
    with pytest.raises(InputError, match="would change the artifact"):
        answer_files.check_output(tmp_path / "artifact" / "a.jsonl", tmp_path / "artifact")
    with pytest.raises(InputError, match=r"ends in \.jsonl or \.parquet"):
        answer_files.check_output(tmp_path / "a.csv", tmp_path / "artifact")


def test_a_reader_that_has_enough_is_no_error() -> None:
    program = (
        "from recommender_training.answers import answer_files as files\n"
        "files.write_answers(None, ([{'line': n}] * 100 for n in range(9999)), {})\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stderr is not None
        assert writer.stdout.readline() == b'{"line": 0}\n'
        writer.stdout.close()
        assert writer.stderr.read() == b""
    assert writer.returncode == 0
