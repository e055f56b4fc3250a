"""The cost of the erasure of a user: time, memory and bytes written, by the size of the lake.

The user has an event on each day, so that a file of every partition is rewritten; a user of a day
is the usual case. Each erasure is a process of its own. Before it, the writer of the collector
erases a user with a row in each of its files; `erasure_step_s` is the longest time for which it
reads nothing new meanwhile. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from recommender_collector.writers import file_batches
from recommender_collector.writers.file_batches import Batches
from recommender_collector.writers.lake_erasure import Erasing
from recommender_collector.writers.lake_writer import TEND_SECONDS
from recommender_contract.ids import hashed
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import data_versions, lake, schema, schema_files, snapshots
from recommender_training.data.snapshots import By, Snapshot
from tests.benchmarks.machine import machine

START, DAYS = 1_767_225_600, 60  # 2026-01-01T00:00:00Z
SEGMENTS = np.array(["a", "b", "c", "d"])
#: Of which one has an event on each day, and one on the first day alone.
FREQUENT, RARE = 0, 1
ERASED = "customer-000000000@example.com"


def texts(users: int) -> list[str]:
    """Ids as shops have them."""
    return [f"customer-{number:09}@example.com" for number in range(users)]


def write(path: Path, rows: int, users: int) -> None:
    """A lake of text ids, a commit for each day."""
    columns = schema.interactions_schema(FeatureSchema())
    names = texts(users)
    ids = np.array([hashed(name) for name in names])
    each = rows // DAYS
    for day in range(DAYS):
        rng = np.random.default_rng(day)
        user = rng.integers(2, users, each)
        user[0] = FREQUENT
        user[1:5] = RARE if day == 0 else user[1:5]
        at = START + day * 86_400 + np.sort(rng.integers(0, 86_400, each))
        frame = pl.DataFrame(
            {
                "user_id": ids[user],
                "item_id": rng.integers(0, 10**12, each) % 50_000,
                "value": np.float32(5),
                "timestamp": at,
                "event_date": str(np.datetime64(START + day * 86_400, "s"))[:10],
                "segment": SEGMENTS[user % 4],
                "event_type": "click",
                "session_id": rng.integers(0, 10**9, each).astype(str),
            }
        )
        frame = frame.select(pl.col(name).cast(kind) for name, kind in columns.items())
        lake.append(path, "interactions", frame, ["event_date", "segment"])
    people = pl.DataFrame({"user_id": ids, "segment": SEGMENTS[np.arange(users) % 4]})
    lake.append(path, "users", people, None)
    lake.append(path, "items", pl.DataFrame({"item_id": np.arange(50_000), "title": "x"}), None)
    rows_of_ids = pl.DataFrame({"kind": "user", "id": ids, "text": names})
    lake.append(path, "ids", rows_of_ids, ["kind"])
    version = data_versions.name_version(DAYS - 1, 0, 0, "0" * 16)
    schema_files.write_schema(path, version, FeatureSchema())
    facts = {"rows": each * DAYS, "new_rows": 0, "quarantined_rows": 0, "by": By.CHECK}
    taken = Snapshot(taken_at=START + 86_400 * DAYS, data_version=version, **facts)
    snapshots.add_snapshot(path, taken)


def erase(path: Path, name: str) -> dict[str, Any]:
    """Erase a user in a process of its own, and return what it cost."""
    report = path.parent / "report.json"
    before = {each: each.stat().st_size for each in path.rglob("*.parquet")}
    command = [sys.executable, "-m", "recommender_training", "erase", "--lake", str(path),
               "--user", name, "--report", str(report)]  # fmt: skip
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, spent = os.wait4(process.pid, 0)  # of this process alone
    process.returncode = status
    if status:
        raise SystemExit(f"{command} failed")
    seconds = time.perf_counter() - start
    found = json.loads(report.read_text())
    after = {each: each.stat().st_size for each in path.rglob("*.parquet")}
    written = sum(size for each, size in after.items() if each not in before)
    return {
        "rows": found["rows"]["interactions"],
        "filesRemoved": found["filesRemoved"],
        "rewrittenMegabytes": round(written / 1e6, 1),
        "seconds": round(seconds, 1),
        "cpuSeconds": round(spent.ru_utime + spent.ru_stime, 1),
        "peakMegabytes": round(spent.ru_maxrss / 1024),
    }


def write_files(root: Path, megabytes: int) -> None:
    """Folders of the writer of clicks and impressions, each with one row of the user."""
    files = Batches(root)
    rows = [
        b'{"user_id":"customer-%09d@example.com","item_id":%d,"time":1795000000000,"kind":"click"}'
        % (number % 9_999 + 1, number)
        for number in range(50_000)
    ]
    mine = b'{"user_id":"%s","item_id":7,"time":1795000000000,"kind":"click"}' % ERASED.encode()
    events = [row.replace(b'"user_id"', b'"user"') for row in (*rows, mine)]
    content = {file_batches.INTERACTIONS: [*rows, mine], file_batches.EVENTS: events}
    size = sum(map(len, rows)) * 2
    for number in range(1, max(1, megabytes * 10**6 // size) + 1):
        files.commit(number, f"{number}-0", content)


def erase_files(root: Path) -> dict[str, float]:
    """Erase a user from the folders of the writer, and return what it took."""
    erasing = Erasing(Batches(root), "user_id")
    size = sum(path.stat().st_size for path in root.rglob("*.jsonl"))
    erasing.add("9-0", {ERASED: 1}, 10**9)
    steps = []
    while erasing.open:
        start = time.perf_counter()
        erasing.advance(TEND_SECONDS)
        steps.append(time.perf_counter() - start)
    return {
        "megabytes": round(size / 1e6),
        "seconds": round(sum(steps), 1),
        "erasure_step_s": round(max(steps), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--megabytes", type=int, default=1000, help="of files of the writer")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), args.megabytes)
        of_files = erase_files(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lake"
        path.mkdir()
        write(path, args.rows, args.users)
        size = sum(each.stat().st_size for each in path.rglob("*.parquet"))
        found = {
            name: erase(path, texts(2)[number])
            for name, number in (("rare", RARE), ("frequent", FREQUENT))
        }
        told = {"rows": args.rows, "users": args.users, "megabytes": round(size / 1e6)}
        print(json.dumps({**told, **found, "files": of_files, "machine": machine()}))


if __name__ == "__main__":
    main()
