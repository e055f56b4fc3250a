"""Time and memory of the profile of a large window: rows of one lake, generated in parts.

The lake is written straight into its tables, since only the profile is measured; it is
made in a separate process. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from recommender_training.data import data_versions, lake, schema, schema_files
from recommender_training.data_checks import profile
from recommender_training.ingestion import raw
from tests.benchmarks.machine import machine

DAYS, SEGMENTS, START = 100, 4, 1_700_000_000 // 86_400 * 86_400


def generate(path: Path, rows: int, users: int, items: int) -> str:
    """Write the tables and return the data version; its digest is not computed."""
    rng = np.random.default_rng(17)
    ids = np.arange(users)
    columns = schema.tables(raw.declaration())
    segments = ("0-17", "18-24", "25-34", "35-44")[:SEGMENTS]
    people = pl.DataFrame(
        {
            "user_id": ids,
            "age": rng.integers(10, 80, users).astype(np.float64),
            "gender": rng.choice(["F", "M"], users),
            "occupation": rng.choice(["a", "b", "c"], users),
            "segment": np.asarray(segments)[ids % SEGMENTS],
        },
        schema=columns["users"],
    )
    things = pl.DataFrame(
        {
            "item_id": np.arange(items),
            "title": [f"t{n}" for n in range(items)],
            "genre": rng.choice(["x y", "y", "z"], items),
            "release_year": rng.integers(-20, 50, items) * 31_556_952,
        },
        schema=columns["items"],
    )
    lake.overwrite(path, "users", people)
    lake.overwrite(path, "items", things)
    version = 0
    for day in range(DAYS):
        count = rows // DAYS
        user = rng.integers(0, users, count)
        time_ = START + day * 86_400 + np.sort(rng.integers(0, 86_400, count))
        frame = pl.DataFrame(
            {
                "user_id": user,
                "item_id": rng.integers(0, items, count),
                "value": rng.integers(1, 6, count),
                "timestamp": time_,
                "segment": np.asarray(segments)[user % SEGMENTS],
            }
        ).with_columns(pl.from_epoch("timestamp").dt.strftime("%Y-%m-%d").alias("event_date"))
        frame = lake.select(frame.lazy(), columns["interactions"]).collect()
        version = lake.append(path, "interactions", frame, ["event_date", "segment"])
    found = data_versions.name_version(version, 0, 0, "0" * 16)
    schema_files.write_schema(path, found, raw.declaration())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000_000)
    parser.add_argument("--users", type=int, default=200_000)
    parser.add_argument("--items", type=int, default=20_000)
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.generate:
        print(generate(args.generate, args.rows, args.users, args.items))
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "lab.benchmarks.data_profile", "--generate", folder,
                   "--rows", str(args.rows), "--users", str(args.users),
                   "--items", str(args.items)]  # fmt: skip
        made = subprocess.run(command, check=True, capture_output=True, text=True)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        start, cpu = time.perf_counter(), time.process_time()
        told = profile.build_profile(Path(folder), made.stdout.strip(), None).profile
        spent = time.perf_counter() - start
    print(
        json.dumps(
            {
                "benchmark": "data_profile",
                "rows": told["tables"]["interactions"]["rows"],
                "users": told["active"]["users"],
                "sessions": told["sessions"]["sessions"],
                "shareOfUsers": told["sessions"]["shareOfUsers"],
                "seconds": round(spent, 1),
                "cpuSeconds": round(time.process_time() - cpu, 1),
                "peakMiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
                "importsMiB": before // 1024,
                "threads": pl.thread_pool_size(),
                "machine": machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
