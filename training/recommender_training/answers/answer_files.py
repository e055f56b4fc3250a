"""Files of requests and answers: JSON lines and Parquet, a part of a file in memory at a time."""

from __future__ import annotations

import itertools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import polars as pl
from polars.io.plugins import register_io_source

from recommender_contract.ids import IdKind, IdKinds
from recommender_training.answers.offline_version import Answer
from recommender_training.common.durable_files import replacement
from recommender_training.common.errors import InputError

#: Rows of a part of a Parquet file of requests.
_ROWS = 4096

#: The number of a line or row of the file, from 1, and the JSON of its request.
Line = tuple[int, bytes | str]


def read_requests(path: Path) -> Iterator[Line]:
    """Yield the lines of a file of JSON lines, or the rows of a `.parquet`; empty lines are none.

    Raises InputError: DataMissing, UnreadableData.
    """
    if not path.exists():
        raise InputError("DataMissing", f"--requests: {path} is missing; give a file of requests")
    try:
        yield from _rows(path) if path.suffix == ".parquet" else _lines(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InputError(
            "UnreadableData", f"--requests: {path} cannot be read ({str(error)[:200]})"
        ) from error


def _lines(path: Path) -> Iterator[Line]:
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line := line.strip():
                yield number, line


def _rows(path: Path) -> Iterator[Line]:
    scan, number = pl.scan_parquet(path, glob=False), 0
    batches = scan.collect_batches(chunk_size=_ROWS, maintain_order=True)
    rows = itertools.chain.from_iterable(batch.iter_rows(named=True) for batch in batches)
    for number, row in enumerate(rows, 1):
        yield number, json.dumps(_without_nulls(row), default=str)
    # A reader that fails in the middle of a file may stop without an error.
    if number != (count := scan.select(pl.len()).collect().item()):
        raise OSError(f"only {number} of its {count} rows are readable")


def _without_nulls(value: Any) -> Any:
    """Leave out fields that are null: each row of a struct has all of its fields."""
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


def check_output(path: Path | None, artifact: Path) -> None:
    """Check where answers go to; None is standard output.

    Raises InputError: InvalidOutput unless the name says the format, OutputInArtifact.
    """
    if path is None:
        return
    if path.suffix not in _WRITERS:
        raise InputError(
            "InvalidOutput",
            f"--output: {path} names no format; give a name that ends in {' or '.join(_WRITERS)}",
        )
    if path.resolve().is_relative_to(artifact.resolve()):
        raise InputError(
            "OutputInArtifact", f"--output: {path} would change the artifact; write elsewhere"
        )


def schema(kinds: IdKinds, *, numbered: bool) -> dict[str, Any]:
    """The columns of answers; those to a file of requests have the `line` and its `error`."""
    user, item = (pl.String if of is IdKind.TEXT else pl.Int64 for of in (kinds.user, kinds.item))
    answer = {
        "user_id": user,
        "items": pl.List(item),
        "scores": pl.List(pl.Float64),
        "score_kind": pl.String,
        "source": pl.String,
    }
    return {"line": pl.Int64, **answer, "error": pl.String} if numbered else answer


def write_answers(
    path: Path | None, parts: Iterable[Sequence[Answer]], columns: dict[str, Any]
) -> None:
    """Write answers in their order, to standard output without a path.

    A file is complete or, after an error, as before. In JSON lines absent fields are left out.
    """
    if path is None:
        try:
            _write_lines(sys.stdout, parts)
        except BrokenPipeError:
            # A reader such as `head` has enough; what is still buffered goes nowhere.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    write = _WRITERS[path.suffix]
    with replacement(path) as part:
        write(part, parts, columns)


def _write_lines(stream: IO[str], parts: Iterable[Sequence[Answer]]) -> None:
    for part in parts:
        stream.writelines(json.dumps(answer) + "\n" for answer in part)
    stream.flush()


def _lines_file(path: Path, parts: Iterable[Sequence[Answer]], _: dict[str, Any]) -> None:
    with path.open("w", encoding="ascii") as stream:
        _write_lines(stream, parts)


def _parquet_file(path: Path, parts: Iterable[Sequence[Answer]], columns: dict[str, Any]) -> None:
    def frames(*_: object) -> Iterator[pl.DataFrame]:
        for part in parts:
            yield pl.DataFrame(part, schema=columns, orient="row")

    register_io_source(frames, schema=columns).sink_parquet(path, maintain_order=True)


_WRITERS: dict[str, Callable[[Path, Iterable[Sequence[Answer]], dict[str, Any]], None]] = {
    ".jsonl": _lines_file,
    ".parquet": _parquet_file,
}
