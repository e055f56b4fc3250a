"""False alarms of drift rules without drift, and detections with drift.

Each reference is drawn from one half of the users, each window from sessions of the other half,
so that no user is on both sides. The peers' rules are written from their documented definitions;
the packages themselves are not run. All rules judge the same windows of one row a session.

The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import time
from collections.abc import Callable, Mapping

import numpy as np
from scipy import stats

from recommender_operator.analysis.drift import DriftVerdict, Verdict, evaluate_window
from recommender_operator.analysis.window import WindowStats
from recommender_operator.api.spec import DriftSpec
from tests.benchmarks.drift_sessions import (
    CATEGORICAL,
    NUMERIC,
    Binner,
    Floats,
    Rows,
    Sessions,
    design_effects,
    load,
    take,
)
from tests.benchmarks.machine import machine

Counts = dict[str, dict[str, int]]
Injection = Callable[[Rows, np.random.Generator], None]
RULES = (
    "ours",
    "ours, users taken for independent",
    "psi >= 0.2, any feature",
    "KS or chi-square p <= 0.05, any feature, uncorrected",
    "Wasserstein/sigma or Jensen-Shannon >= 0.1, any feature",
    "Wasserstein/sigma or Jensen-Shannon >= 0.1, half of the features",
)


def peers(reference: Rows, rows: Rows, own: Counts, seen: Counts) -> tuple[bool, ...]:
    """The alarms of the peers' rules, in the order of RULES."""
    psi, p_values, distances = [], [], []
    for name in NUMERIC:
        x, y = (r[name][~np.isnan(r[name])] for r in (rows, reference))
        p_values.append(stats.ks_2samp(x, y).pvalue)
        distances.append(stats.wasserstein_distance(x, y) / (np.std(y) or 1.0))
    for name in CATEGORICAL:
        here, there = _shares(seen[name]), _shares(own[name])
        size = sum(seen[name].values())
        kept = there > 0
        expected = there[kept] / there[kept].sum() * here[kept].sum() * size
        # The reference as exact shares: the definition of the rule, and one of its faults.
        p_values.append(stats.chisquare(here[kept] * size, expected).pvalue)
        middle = (here + there) / 2
        divergence = (stats.entropy(here, middle) + stats.entropy(there, middle)) / 2
        distances.append(float(np.sqrt(max(0.0, divergence / np.log(2)))))
    for name in (*NUMERIC, *CATEGORICAL):
        here, there = (np.maximum(_shares(c[name]), 1e-4) for c in (seen, own))
        psi.append(float(((here - there) * np.log(here / there)).sum()))
    far = [d >= 0.1 for d in distances]
    return (
        any(index >= 0.2 for index in psi),
        any(p <= 0.05 for p in p_values),
        any(far),
        2 * sum(far) >= len(far),
    )


def _shares(bins: Mapping[str, int]) -> Floats:
    counts = np.asarray([bins[name] for name in sorted(bins)], dtype=np.float64)
    shares: Floats = counts / max(1.0, float(counts.sum()))
    return shares


def ours(spec: DriftSpec, own: Counts, seen: Counts, effects: Mapping[str, float]) -> DriftVerdict:
    sessions = sum(seen["age"].values())
    stats = WindowStats(sessions=sessions, features=seen, reference=own, design_effects=effects)
    return evaluate_window(spec, stats)


def _null(feature: str, share: float) -> Injection:
    def inject(rows: Rows, rng: np.random.Generator) -> None:
        rows[feature][rng.random(len(rows[feature])) < share] = np.nan

    return inject


def _add(feature: str, amount: float, share: float = 1.0, lowest: float = 0.0) -> Injection:
    def inject(rows: Rows, rng: np.random.Generator) -> None:
        hit = rng.random(len(rows[feature])) < share
        rows[feature] = np.maximum(np.where(hit, rows[feature] + amount, rows[feature]), lowest)

    return inject


def _flip(rows: Rows, rng: np.random.Generator) -> None:
    hit = rng.random(len(rows["gender"])) < 0.3
    rows["gender"] = np.where(hit, 1 - rows["gender"], rows["gender"])


INJECTIONS: dict[str, Injection] = {
    "none": lambda rows, rng: None,
    "age +3": _add("age", 3),
    "age +10": _add("age", 10),
    "5 % of age null": _null("age", 0.05),
    "20 % of age null": _null("age", 0.2),
    "30 % of genders flipped": _flip,
    "mean value -1 in 20 %": _add("mean_value", -1, 0.2, 1.0),
    "mean value -1 in 50 %": _add("mean_value", -1, 0.5, 1.0),
}


def alarms(
    sessions: Sessions, spec: DriftSpec, inject: Injection, references: int, windows: int
) -> tuple[dict[str, float], float]:
    """Alarms per 1000 windows by rule, and our seconds per window."""
    rng = np.random.default_rng(20261125)
    fired, confirmed, spent = np.zeros(len(RULES)), 0, 0.0
    users = np.unique(sessions.user)
    for _ in range(references):
        half = rng.permutation(users)[: len(users) // 2]
        inside = np.isin(sessions.user, half)
        reference = take(sessions.columns, np.flatnonzero(inside))
        stream = np.flatnonzero(~inside)
        binner = Binner(reference, sessions.categories)
        own, row = binner.counts(reference), 0
        effects = design_effects(sessions.user[inside], reference, binner)
        for _ in range(windows):
            rows = take(sessions.columns, rng.choice(stream, spec.window_sessions))
            inject(rows, rng)
            seen = binner.counts(rows)
            start = time.perf_counter()
            alarm = ours(spec, own, seen, effects).verdict is Verdict.FAIL
            spent += time.perf_counter() - start
            row = row + 1 if alarm else 0
            confirmed += row == spec.consecutive_windows
            naive = ours(spec, own, seen, {}).verdict is Verdict.FAIL
            fired += [alarm, naive, *peers(reference, rows, own, seen)]
    total = references * windows
    rates = {rule: round(1000 * float(n) / total, 1) for rule, n in zip(RULES, fired, strict=True)}
    rates["ours, confirmed drifts"] = round(1000 * confirmed / total, 2)
    return rates, spent / total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--references", type=int, default=20)
    parser.add_argument("--windows", type=int, default=50, help="for each reference")
    parser.add_argument("--sessions", type=int, default=500, help="in a window")
    args = parser.parse_args()
    sessions = load(seed=17)
    spec = DriftSpec(window_sessions=args.sessions)
    result: dict[str, dict[str, float]] = {}
    seconds = 0.0
    for name, inject in INJECTIONS.items():
        result[name], spent = alarms(sessions, spec, inject, args.references, args.windows)
        seconds = max(seconds, spent)
        print(name, result[name], flush=True)
    null = result["none"]
    report = {
        "benchmark": "drift_null",
        "compared": "alarms per 1000 windows, by what was injected and by rule",
        "data": sessions.source,
        "windowSessions": args.sessions,
        "windows": args.references * args.windows,
        "versions": {n: importlib.metadata.version(n) for n in ("scipy", "numpy", "mpmath")},
        "machine": machine(),
        "alarms": result,
        "millisecondsPerWindow": round(1000 * seconds, 2),
        # Against the least noisy of the peers' rules, with our rate at least one in all windows.
        "ratio": round(
            min(null[rule] for rule in RULES[2:])
            / max(null["ours"], 1000 / (args.references * args.windows)),
            1,
        ),
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
