"""Compare the readers of raw rows with those of polars: the rows that each keeps, and the CPU.

    python -m lab.benchmarks.raw_readers --rows 200000

The first tables are the rows of one broken line among four good ones. The last one is CPU seconds
of one thread for a file of events: the rows read by polars, the rows read by the readers, and
their conversion to the table of interactions.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["POLARS_MAX_THREADS"] = "1"

import polars as pl

from recommender_contract.resource.mapping import Format, PartitionBy
from recommender_training.ingestion import convert, readers
from recommender_training.ingestion.mapping import Mapping

COLUMNS = ("user", "item", "at", "rating")
BROKEN_CSV = {
    "a field too few": b"1,2,3\n",
    "a field too many": b"1,2,3,4,5\n",
    "a quote that is not closed": b'1,"2,3,4\n',
    "text after a quote": b'1,"2"2,3,4\n',
    "a byte that is not UTF-8": b"\xff1,2,3,4\n",
}
GOOD = b"1,10,5,4\n"
BROKEN_JSON = (
    '{"user": "7"}', '{"user": 7}', '{"user": 7.0}', '{"user": 1e3}', '{"user": true}',
    '{"user": 12345678901234567890}', '{"user": NaN}', '{"user": null}', "{}", '{"user": [7]}',
    '{"user": {"id": 7}}', '{"user": "\\ud800"}', '{"user": 7', "[7]",
)  # fmt: skip
GOOD_JSON = '{"user": 1, "item": 2, "at": 3, "rating": 4}'


def mapping(kind: Format) -> Mapping:
    """The four columns; ids are texts, as they show whether a reader rewrites them."""
    columns = {"user": "user", "item": "item", "timestamp": "at", "value": "rating"}
    ids = {"user": "Text", "item": "Text"} if kind is Format.JSON_LINES else {}
    section = {"interactions": {"files": "*"} | columns, "ids": ids}
    return Mapping.model_validate({name: each for name, each in section.items() if each})


def own(path: Path, kind: Format) -> list[pl.DataFrame]:
    """The batches of the readers of the ingestion."""
    return list(readers.read_batches(path, kind, mapping(kind), "interactions"))


def outcome(read: Callable[[], object]) -> str:
    """What a reader gives, or its error."""
    try:
        return str(read())
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:60]}"


def broken_csv(path: Path) -> None:
    """Print what each reader makes of a broken line of CSV."""
    for name, line in BROKEN_CSV.items():
        path.write_bytes(b"user,item,at,rating\n" + GOOD + line + GOOD * 3)
        print(name)
        print("  own:   ", outcome(lambda: own(path, Format.CSV)[0]["reason"].to_list()))
        for more in ({}, {"encoding": "utf8-lossy"}):
            print("  polars:", outcome(lambda more=more: csv(path, **more).rows()))


def csv(path: Path, **options: str) -> pl.DataFrame:
    """Read CSV as texts, with the options that forgive the most."""
    return pl.read_csv(
        path, infer_schema=False, truncate_ragged_lines=True, ignore_errors=True, **options
    )


def broken_json(path: Path) -> None:
    """Print what each reader makes of the id in a line of JSON."""
    schema = dict.fromkeys(COLUMNS, pl.String)
    for line in BROKEN_JSON:
        path.write_text(f"{GOOD_JSON}\n{line}\n{GOOD_JSON}\n")
        found = own(path, Format.JSON_LINES)[0].row(1, named=True)
        print(line, "own:", found["reason"] or repr(found["raw_user"]))
        print("  read_ndjson:    ", outcome(
            lambda: pl.read_ndjson(path, schema=schema, ignore_errors=True)["user"].to_list()
        ))  # fmt: skip
        one = pl.Series([line])
        print("  json_path_match:", outcome(lambda one=one: one.str.json_path_match("$.user")[0]))


def seconds(work: Callable[[], object], repeats: int = 5) -> str:
    """Median and range of the CPU seconds of the process."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return f"{statistics.median(found):.2f} [{min(found):.2f}, {max(found):.2f}]"


def speed(path: Path, kind: Format, rows: int) -> None:
    """Print the CPU of reading a file, and of converting its rows."""
    events = [
        {"user": n % 9973, "item": n % 997, "at": 1_700_000_000 + n, "rating": n % 5 + 1}
        for n in range(rows)
    ]
    if kind is Format.CSV:
        body = "".join(",".join(map(str, each.values())) + "\n" for each in events)
        path.write_text("user,item,at,rating\n" + body)
        print("  polars: ", seconds(lambda: pl.read_csv(path, infer_schema=False)))
    else:
        path.write_text("".join(json.dumps(each) + "\n" for each in events))
        schema = dict.fromkeys(COLUMNS, pl.String)
        print("  polars: ", seconds(lambda: pl.read_ndjson(path, schema=schema)))
    print("  own:    ", seconds(lambda: own(path, kind)))
    batches, table = own(path, kind), mapping(kind).interactions
    nobody = pl.DataFrame(schema={"user_id": pl.Int64, "segment": pl.String})
    print("  convert:", seconds(lambda: [
        convert.interactions(each, table, PartitionBy.DAY, nobody, 2_000_000_000)
        for each in batches
    ]))  # fmt: skip


def main() -> None:
    """Print all tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a")
        broken_csv(path)
        broken_json(path)
        for kind in (Format.CSV, Format.JSON_LINES):
            print(kind, rows)
            speed(path, kind, rows)


if __name__ == "__main__":
    main()
