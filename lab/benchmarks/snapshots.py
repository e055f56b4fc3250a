"""The cost of hourly snapshots: bytes of the lake, and CPU time of a snapshot and of a past check.

Each hour brings a file of events, a twentieth of them late by up to a week. Whatever the record
does not name is removed at once, so that the bytes are those that the record alone keeps;
partitions are compacted from `--max-files` small files on. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
from deltalake import DeltaTable

from recommender_training.cli.main import main as command_line
from recommender_training.common import clock
from recommender_training.data import compaction, time_format
from tests.benchmarks.machine import machine

START, WEEK = 1_767_225_600, 7 * 86_400  # 2026-01-01T00:00:00Z
MAPPING = json.dumps(
    {
        "interactions": {
            "files": "*.parquet",
            "user": "user",
            "item": "item",
            "timestamp": "at",
            "value": "value",
            "segment": "segment",
        }
    }
)


def write_hour(folder: Path, hour: int, rows: int) -> None:
    """The events that arrive in an hour."""
    rng = np.random.default_rng(hour)
    late = rng.random(rows) < 0.05
    at = START + hour * 3600 + rng.integers(0, 3600, rows) - late * rng.integers(0, WEEK, rows)
    user = rng.integers(0, 5000, rows)
    pl.DataFrame(
        {
            "user": user,
            "item": rng.integers(0, 500, rows),
            "at": at,
            "value": rng.integers(1, 6, rows),
            "segment": np.array(["a", "b", "c", "d"])[user % 4],
        }
    ).write_parquet(folder / f"{hour:05}.parquet")


def spent(work: Callable[[], object]) -> float:
    """CPU seconds of a call."""
    began = time.process_time()
    work()
    return time.process_time() - began


def run(command: str, lake: Path, *arguments: object) -> None:
    """Run a command that must succeed."""
    told = [command, "--lake", str(lake), *map(str, arguments)]
    if command_line(told) != 0:
        raise SystemExit(f"{told} failed")


def measure(folder: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Take the snapshots, and return the figures at the end."""
    raw, lake = folder / "raw", folder / "lake"
    raw.mkdir()
    source = ("--source", raw, "--format", "Parquet", "--mapping", MAPPING)
    taken = []
    with mock.patch.object(clock, "seconds") as seconds:
        for hour in range(args.hours):
            write_hour(raw, hour, args.rows)
            seconds.return_value = now = START + (hour + 1) * 3600
            of = ("--keep-snapshots", args.keep, *source)
            taken.append(spent(lambda of=of: run("snapshot", lake, *of)))  # type: ignore[misc]
        nothing_new = spent(lambda: run("snapshot", lake, "--keep-snapshots", args.keep, *source))
        back = time_format.iso_time(now - (args.keep - 2) * 3600)
        past = spent(lambda: run("check", lake, "--as-of", back, "--min-rows", 1))
    table = DeltaTable(str(lake / "interactions"))
    files = list((lake / "interactions").rglob("*.parquet"))
    newest = table.get_add_actions(flatten=True)
    return {
        "hours": args.hours,
        "rowsAnHour": args.rows,
        "keep": args.keep,
        "maxFiles": args.max_files,
        "megabytes": round(sum(file.stat().st_size for file in files) / 1e6, 2),
        "ofTheNewestVersion": round(sum(newest["size_bytes"].to_pylist()) / 1e6, 2),
        "snapshotCpuSeconds": round(float(np.median(taken[-10:])), 2),
        "nothingNewCpuSeconds": round(nothing_new, 2),
        "pastCheckCpuSeconds": round(past, 2),
        "machine": machine(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hours", type=int, default=72)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--keep", type=int, default=30)
    parser.add_argument("--max-files", type=int, default=compaction.MAX_FILES)
    args = parser.parse_args()
    real = compaction.compact

    def at_once(*given: Any, **named: Any) -> compaction.Compacted:
        return real(*given, **{**named, "retention_hours": 0})

    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.multiple(
            compaction, MAX_FILES=args.max_files, MIN_RETENTION_HOURS=0, compact=at_once
        ),
    ):
        print(json.dumps(measure(Path(folder), args)))


if __name__ == "__main__":
    main()
