"""False alarms and false rollbacks without drift, and the delay until drift is confirmed.

Each reference is drawn from one half of the users and the windows from sessions of the other half,
so that no user is on both sides. No session is twice in a window: a draw with replacement has more
variance than sessions that users make. Two arms of a rollout share the stream by session
(MovieLens) or by user (generated). evidently and NannyML, run with their defaults in environments
of their own, judge the same windows.

A drift is confirmed, of the operator and of the libraries alike, by `consecutiveWindows` windows
with an alarm in a row, so the shortest delay is as long.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import json
import math
import statistics
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.benchmarks import drift_peers
from lab.benchmarks.drift_injections import INJECTIONS, Injection
from lab.benchmarks.drift_sessions import Binner, Rows, Sessions, design_effects, load, take
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.drift import Verdict, evaluate_break, evaluate_window
from recommender_operator.api.spec import DriftSpec
from tests.benchmarks.machine import machine

#: Windows after the onset within which a drift must be confirmed.
WATCHED = 12
#: Shares of the users of the candidate besides one half, where users are split.
SMALL_SHARES = (0.05, 0.02)


@dataclasses.dataclass(frozen=True)
class Split:
    """A reference of half of the users, and sessions of the other half."""

    sessions: Sessions
    reference: Rows
    binner: Binner
    known: WindowStats
    stream: npt.NDArray[np.int64]

    @classmethod
    def draw(cls, sessions: Sessions, rng: np.random.Generator) -> Split:
        users = np.unique(sessions.user)
        inside = np.isin(sessions.user, rng.permutation(users)[: len(users) // 2])
        # In random order, as sessions come: NannyML cuts the reference into windows.
        rows = rng.permutation(np.flatnonzero(inside))
        reference = take(sessions.columns, rows)
        binner = Binner(reference, sessions.categories)
        effects, of_missing = design_effects(sessions.user[rows], reference, binner)
        known = WindowStats(
            reference=binner.counts(reference),
            design_effects=effects,
            missing_design_effects=of_missing,
        )
        return cls(sessions, reference, binner, known, np.flatnonzero(~inside))

    def window(self, spec: DriftSpec, rng: np.random.Generator, injection: Injection) -> Rows:
        share = None
        if injection.weight is not None:
            weight = injection.weight(take(self.sessions.columns, self.stream))
            share = weight / weight.sum()
        drawn = rng.choice(self.stream, spec.window_sessions, replace=False, p=share)
        return take(self.sessions.columns, drawn)

    def stats(self, rows: Rows) -> WindowStats:
        return dataclasses.replace(
            self.known, sessions=len(rows["age"]), features=self.binner.counts(rows)
        )

    def alarm(self, spec: DriftSpec, rows: Rows) -> bool:
        return evaluate_window(spec, self.stats(rows)).verdict is Verdict.FAIL

    def arms(
        self, by_user: bool, rng: np.random.Generator, share: float = 0.5
    ) -> list[npt.NDArray[np.int64]]:
        """Return the sessions of the candidate, a share of all, and of the stable version."""
        if not by_user:
            return np.split(rng.permutation(self.stream), [round(share * len(self.stream))])
        of = self.sessions.user[self.stream]
        users = rng.permutation(np.unique(of))
        first = np.isin(of, users[: round(share * len(users))])
        return [self.stream[first], self.stream[~first]]


def confirmed(alarms: Sequence[bool], spec: DriftSpec) -> list[int]:
    """Return the windows, counted from 1, in which a row of alarms gets long enough."""
    row, found = 0, []
    for number, alarm in enumerate(alarms, 1):
        row = row + 1 if alarm else 0
        if row == spec.consecutive_windows:
            found.append(number)
    return found


@dataclasses.dataclass(frozen=True)
class Arms:
    """Two equal versions. Their sessions stay the same while windows are drawn from them."""

    split: Split
    pools: list[npt.NDArray[np.int64]]
    user_shares: tuple[float, float]

    @classmethod
    def draw(
        cls, split: Split, by_user: bool, rng: np.random.Generator, share: float = 0.5
    ) -> Arms:
        shares = (share, 1 - share) if by_user else (1.0, 1.0)
        return cls(split, split.arms(by_user, rng, share), shares)

    def broken(self, spec: DriftSpec, rng: np.random.Generator) -> bool:
        """Return whether a window looks like a break of the candidate."""
        size = min(spec.window_sessions, *(len(pool) for pool in self.pools))
        spec = spec.model_copy(update={"window_sessions": size})
        drawn = [rng.choice(pool, size, replace=False) for pool in self.pools]
        windows = [self.split.stats(take(self.split.sessions.columns, rows)) for rows in drawn]
        candidate, stable = (
            dataclasses.replace(window, user_share=share)
            for window, share in zip(windows, self.user_shares, strict=True)
        )
        verdict = evaluate_break(spec, candidate, stable).verdict
        assert verdict is not Verdict.INCONCLUSIVE
        return verdict is Verdict.FAIL


@dataclasses.dataclass
class Found:
    """Alarms by rule and window, of each reference a row."""

    nulls: dict[str, list[list[bool]]] = dataclasses.field(default_factory=dict)
    breaks: list[list[bool]] = dataclasses.field(default_factory=list)
    #: The same of breaks, by the share of the users of the candidate.
    small: dict[float, list[list[bool]]] = dataclasses.field(default_factory=dict)
    injected: dict[str, dict[str, list[list[bool]]]] = dataclasses.field(default_factory=dict)
    #: For the libraries: of each reference windows without drift, then those with each injection.
    tasks: list[drift_peers.Task] = dataclasses.field(default_factory=list)


def watch(name: str, sessions: Sessions, spec: DriftSpec, args: argparse.Namespace) -> Found:
    rng = np.random.default_rng(args.seed)
    found = Found()
    nulls = found.nulls["operator"] = []
    for number in range(args.references):
        split = Split.draw(sessions, rng)
        windows = [split.window(spec, rng, Injection()) for _ in range(args.windows)]
        nulls.append([split.alarm(spec, rows) for rows in windows])
        by_user = name == "generated"
        arms = Arms.draw(split, by_user, rng)
        found.breaks.append([arms.broken(spec, rng) for _ in range(args.windows)])
        for share in SMALL_SHARES if by_user else ():
            small, runs = Arms.draw(split, by_user, rng, share), found.small.setdefault(share, [])
            runs.append([small.broken(spec, rng) for _ in range(args.windows)])
        if number < args.injected:
            for kind, injection in INJECTIONS.items():
                rows = injected(split, spec, injection, rng)
                runs = found.injected.setdefault("operator", {}).setdefault(kind, [])
                runs.append([split.alarm(spec, one) for one in rows])
                windows += rows
        if number < args.peers:
            found.tasks.append((split.reference, windows))
    return found


def judge(founds: list[Found], args: argparse.Namespace) -> None:
    """Add what the libraries say of the windows of all populations."""
    tasks = [task for found in founds for task in found.tasks]
    for rule, alarms in drift_peers.judge(tasks, args.sessions).items():
        rest = iter(alarms)
        for found in founds:
            rows = [next(rest) for _ in found.tasks]
            found.nulls[rule] = [row[: args.windows] for row in rows]
            of_rule = found.injected[rule] = {kind: [] for kind in INJECTIONS}
            for row in rows[: args.injected]:
                for place, runs in enumerate(of_rule.values()):
                    start = args.windows + place * WATCHED
                    runs.append(row[start : start + WATCHED])


def injected(
    split: Split, spec: DriftSpec, injection: Injection, rng: np.random.Generator
) -> list[Rows]:
    """Return the first windows after the onset of a drift."""
    windows = [split.window(spec, rng, injection) for _ in range(WATCHED)]
    for since, rows in enumerate(windows):
        injection.change(rows, rng, since)
    return windows


def report(found: Found, spec: DriftSpec) -> dict[str, Any]:
    result: dict[str, Any] = {"windows": sum(map(len, found.breaks))}
    for rule, rows in found.nulls.items():
        windows = sum(map(len, rows))
        runs = found.injected[rule]
        delays = {kind: [_delay(run, spec) for run in each] for kind, each in runs.items()}
        result[rule] = {
            "null_alarms_per_1000": round(1000 * sum(map(sum, rows)) / windows, 1),
            "null_confirmed": sum(len(confirmed(row, spec)) for row in rows),
            "median_delay_windows": _finite(
                statistics.median(d for each in delays.values() for d in each)
            ),
            "delays": {kind: _finite(statistics.median(each)) for kind, each in delays.items()},
            "detected": {
                kind: round(sum(map(math.isfinite, each)) / len(each), 2)
                for kind, each in delays.items()
            },
        }
    result["break_alarms_per_1000"] = round(
        1000 * sum(map(sum, found.breaks)) / result["windows"], 1
    )
    result["false_rollbacks"] = sum(len(confirmed(row, spec)) for row in found.breaks)
    result["of_small_shares"] = {
        f"{share:.0%}": {
            "break_alarms_per_1000": round(1000 * sum(map(sum, rows)) / sum(map(len, rows)), 1),
            "false_rollbacks": sum(len(confirmed(row, spec)) for row in rows),
        }
        for share, rows in found.small.items()
    }
    return result


def _delay(run: Sequence[bool], spec: DriftSpec) -> float:
    return float(next(iter(confirmed(run, spec)), math.inf))


def _finite(delay: float) -> float | None:
    return delay if math.isfinite(delay) else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--references", type=int, default=1000, help="of each population")
    parser.add_argument("--windows", type=int, default=10, help="without drift, per reference")
    parser.add_argument("--injected", type=int, default=8, help="references with injections")
    parser.add_argument(
        "--peers", type=int, default=20, help="references of the libraries, of the first"
    )
    parser.add_argument("--sessions", type=int, default=500, help="in a window")
    parser.add_argument("--seed", type=int, default=20261127)
    args = parser.parse_args()
    start, spec = time.perf_counter(), DriftSpec(window_sessions=args.sessions)
    populations, founds = load(seed=17), dict[str, Found]()
    for name, sessions in populations.items():
        founds[name] = watch(name, sessions, spec, args)
        print(name, json.dumps(report(founds[name], spec)), flush=True)
    judge(list(founds.values()), args)
    results = {name: report(found, spec) for name, found in founds.items()}
    print(json.dumps(_summary(results, populations, args, time.perf_counter() - start)))


def _summary(
    results: dict[str, Any],
    populations: dict[str, Sessions],
    args: argparse.Namespace,
    seconds: float,
) -> dict[str, Any]:
    """Of both populations the worse one, and false rollbacks for 20,000 windows of both."""
    windows = sum(each["windows"] for each in results.values())
    rollbacks = sum(each["false_rollbacks"] for each in results.values())
    told = {
        f"{prefix}{key}": _worst([each[rule][key] for each in results.values()])
        for rule, prefix in (("operator", ""), *((r, f"{r}_") for r in drift_peers.RULES))
        for key in ("null_alarms_per_1000", "median_delay_windows")
    }
    return {
        "benchmark": "drift",
        **told,
        "false_rollbacks_per_20000": round(20_000 * rollbacks / windows, 1),
        "windows": windows,
        "covers": "inputs of both versions and of the candidate alone; labels: drift_labels",
        "window_sessions": args.sessions,
        "seed": args.seed,
        "data": {name: sessions.source for name, sessions in populations.items()},
        "populations": results,
        "versions": {
            **{name: importlib.metadata.version(name) for name in ("numpy", "mpmath")},
            **drift_peers.versions(),
        },
        "machine": machine(),
        "seconds": round(seconds),
    }


def _worst(values: Sequence[float | None]) -> float | None:
    return None if None in values else max(value for value in values if value is not None)


if __name__ == "__main__":
    main()
