"""What the watch by segment sees of a change inside one segment, and how often it errs.

The generated service of `drift_sessions`: the reference is drawn from one half of the users and
each day, of 500 sessions, from the other. A segment of users is drawn at random; gender and
occupation divide the sessions, too. Each day is looked at when it is over, as a snapshot does. The
last line is one JSON object; docs/lab/drift-detection.md explains its figures.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import polars as pl

from lab.benchmarks.drift_sessions import Sessions, generated
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data_checks import segment_shift
from recommender_training.data_checks.policy import Watch
from recommender_training.data_checks.segment_shift import Reference
from recommender_training.data_checks.segment_watch import MOST_DAYS
from tests.benchmarks.machine import machine

SHARES = (0.02, 0.05, 0.1, 0.2, 0.3)
#: Sessions of all users in a day: a window of the monitor over all of them.
A_DAY = 500
DAYS = 40
SEED = 20261201
DECLARED = FeatureSchema.model_validate(
    {
        "users": [
            {"name": "age", "kind": "Numeric"},
            {"name": "gender", "kind": "Categorical", "fairness": True},
            {"name": "occupation", "kind": "Categorical", "fairness": True},
            {"name": "plan", "kind": "Categorical", "segments": True},
        ],
        "context": [{"name": "device", "kind": "Categorical"}],
    }
)
Change = Callable[[pl.Expr], pl.Expr]
CHANGES: dict[str, Change] = {
    "age null": lambda age: pl.lit(None, dtype=pl.Float64),
    "age +10": lambda age: age + 10,
}


@dataclasses.dataclass(frozen=True)
class World:
    """A reference of half of the users, and sessions of the others; `plan` is the segment."""

    reference: Reference
    stream: pl.DataFrame

    @classmethod
    def draw(cls, sessions: Sessions, share: float, rng: np.random.Generator) -> World:
        users = int(sessions.user.max()) + 1
        inside = (rng.random(users) < share)[sessions.user]
        leaning = rng.integers(0, 4, users)[sessions.user]
        device = np.where(
            rng.random(len(leaning)) < 0.7, leaning, rng.integers(0, 4, len(leaning))
        )
        frame = pl.DataFrame(
            {
                "user_id": sessions.user,
                "age": pl.Series(sessions.columns["age"], nan_to_null=True),
                **{
                    name: sessions.columns[name].astype(np.int64).astype(str)
                    for name in ("gender", "occupation")
                },
                "plan": np.where(inside, "team", "single"),
                "device": device.astype(str),
                "day": np.zeros(len(device), dtype=np.int64),
            }
        )
        first = rng.permutation(users)[: users // 2]
        of_reference = np.isin(sessions.user, first)
        return cls(
            Reference.of(frame.filter(pl.Series(of_reference)), DECLARED),
            frame.filter(pl.Series(~of_reference)),
        )

    def days(self, count: int, rng: np.random.Generator) -> pl.DataFrame:
        """Draw the sessions of some days."""
        drawn = [
            self.stream[rng.choice(self.stream.height, A_DAY, replace=False)].with_columns(
                day=pl.lit(day, dtype=pl.Int64)
            )
            for day in range(count)
        ]
        return pl.concat(drawn)


def looks(world: World, seen: pl.DataFrame) -> Iterator[segment_shift.Seen]:
    """Yield the result at the end of each day, of so many days as the command looks at."""
    for day in range(DAYS):
        inside = seen.filter(pl.col("day").is_between(day - MOST_DAYS + 1, day))
        yield segment_shift.judge(Watch(), world.reference, inside)


def nulls(sessions: Sessions, runs: int, rng: np.random.Generator) -> dict[str, float]:
    """Return how often something is found where nothing changes, of 1,000 looks."""
    alarms = series = count = 0
    for _ in range(runs):
        world = World.draw(sessions, 0.05, rng)
        seen = [bool(each.shifts) for each in looks(world, world.days(DAYS, rng))]
        count, alarms, series = count + len(seen), alarms + sum(seen), series + any(seen)
    return {
        "looks": count,
        "null_alarms_per_1000": round(1000 * alarms / count, 2),
        "null_series": runs,
        "null_series_with_an_alarm": series,
    }


def found(
    sessions: Sessions, share: float, change: Change, runs: int, rng: np.random.Generator
) -> dict[str, float | None]:
    """Return the share of the series that confirm the change by its segment, and the delay."""
    delays = []
    for _ in range(runs):
        world = World.draw(sessions, share, rng)
        changed = pl.when(pl.col("plan") == "team").then(change(pl.col("age"))).otherwise("age")
        days = world.days(DAYS, rng).with_columns(changed.alias("age"))
        named = (
            day
            for day, each in enumerate(looks(world, days), 1)
            if ("age", "plan", "team") in {(s.feature, s.segment, s.value) for s in each.shifts}
        )
        delays.append(next(named, None))
    known = [each for each in delays if each is not None]
    return {
        "confirmed": len(known) / runs,
        "median_days": statistics.median(known) if known else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="series of each change")
    parser.add_argument("--nulls", type=int, default=100, help="series without a change")
    args = parser.parse_args()
    start, rng = time.perf_counter(), np.random.default_rng(SEED)
    sessions = generated(seed=17)
    quiet = nulls(sessions, args.nulls, rng)
    print(quiet, flush=True)
    table = {
        name: {f"{share:.0%}": found(sessions, share, change, args.runs, rng) for share in SHARES}
        for name, change in CHANGES.items()
    }
    print(
        json.dumps(
            {
                "benchmark": "drift_segments",
                **quiet,
                "found": table,
                "sessions_a_day": A_DAY,
                "days": DAYS,
                "series": args.runs,
                "reference_bytes": len(
                    json.dumps(World.draw(sessions, 0.05, rng).reference.to_json())
                ),
                "machine": machine(),
                "seconds": round(time.perf_counter() - start, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
