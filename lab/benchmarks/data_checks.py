"""False alarms of the shift checks on two windows of one population, and the shifts they detect.

Each pair of windows is made of two halves of the users of one population, so that no user is in
both: the hardest case without a shift. Populations are generated in the likeness of MovieLens
(`synthetic.generate`), or the real one if `MOVIELENS_DIR` names its atomic files. Beside
the checks run the same tests with sessions, and with rows, treated as independent.

The last line is one JSON object; rates are pairs with a finding, of 1000.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import polars as pl

from recommender_contract.resource.checks import CheckLevels, DataChecks
from recommender_examples import synthetic
from recommender_training.artifact import reference
from recommender_training.artifact.reference import Value
from recommender_training.data import schema
from recommender_training.data_checks import profile, sample, session_shift
from recommender_training.data_checks.finding import Findings
from recommender_training.data_checks.sample import Sessions
from recommender_training.ingestion import raw
from recommender_training.statistics import two_samples
from tests.benchmarks.machine import machine

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Injection = Callable[[Floats, np.random.Generator], Floats]
SEED = 20261125


@dataclasses.dataclass(frozen=True)
class Population:
    """Sessions, and rows with a code for each feature, of all users."""

    sessions: Sessions
    users: pl.DataFrame  # user_id, rows, positive
    row_user: Ints
    row_codes: dict[str, Ints]


def population(folder: Path) -> Population:
    """Read a folder of atomic files."""
    data, declared = raw.read_source(folder), raw.declaration()
    tables = {"users": data.users.lazy(), "items": data.items.lazy()}
    counts = data.interactions.group_by("user_id").agg(
        pl.len().cast(pl.Int64).alias("rows"),
        (pl.col("value") >= schema.POSITIVE_VALUE).sum().cast(pl.Int64).alias("positive"),
    )
    counts = counts.sort("user_id")
    rows = data.interactions.join(data.users.drop("segment"), on="user_id").join(
        data.items.with_columns(pl.col("genre").str.split(" ").list.first()), on="item_id"
    )
    names = ("age", "gender", "occupation", "value", "genre")
    return Population(
        sample.read_sessions(
            tables, data.interactions.select(sample.columns(declared)), counts, 1.0, declared
        ),
        counts,
        rows["user_id"].to_numpy(),
        {name: rows[name].rank("dense").fill_null(0).cast(pl.Int64).to_numpy() for name in names},
    )


def part(of: Population, users: Ints) -> tuple[dict[str, Any], Sessions]:
    """The profile of these users that the shift checks read, and their sessions."""
    inside = np.flatnonzero(np.isin(of.sessions.user_S, users))
    columns = {
        name: [values[row] for row in inside] for name, values in of.sessions.columns.items()
    }
    sessions = dataclasses.replace(of.sessions, user_S=of.sessions.user_S[inside], columns=columns)
    return told(of, users, sessions), sessions


def told(of: Population, users: Ints, sessions: Sessions) -> dict[str, Any]:
    counts = of.users.filter(pl.col("user_id").is_in(users))
    rows, hits = (counts[name].to_numpy().astype(np.float64) for name in ("rows", "positive"))
    positive = {"value": hits.sum() / rows.sum(), "error": two_samples.ratio_error(rows, hits)}
    return {
        "active": {"users": len(users)},
        "shares": {"positive": positive},
        "sessions": profile.histograms(sessions),
    }


def alarm(now: dict[str, Any], sessions: Sessions, before: dict[str, Any]) -> bool:
    findings = Findings(CheckLevels())
    tests = list(session_shift.session_tests(DataChecks(), now, sessions, before))
    session_shift.conclude(findings, DataChecks(), tests)
    return any(found.level != "pass" for found in findings.all)


def independent(now: tuple[dict[str, Any], Sessions], before: tuple[dict[str, Any], Sessions],
                of: Population, users: tuple[Ints, Ints]) -> bool:  # fmt: skip
    """The same with a design effect of 1 for every feature."""
    with (
        mock.patch.object(session_shift, "design_effect", return_value=1.0),
        mock.patch.object(reference, "design_effect", return_value=1.0),
    ):
        here, there = (told(of, u, each[1]) for u, each in zip(users, (now, before), strict=True))
        return alarm(here, now[1], there)


def row_wise(of: Population, halves: tuple[Ints, Ints], floor: float) -> bool:
    """Chi-square tests of rows with the same correction, level and floor."""
    p_values, effects = [], []
    masks = [np.isin(of.row_user, half) for half in halves]
    for codes in of.row_codes.values():
        size = int(codes.max()) + 1
        here, there = (
            np.bincount(codes[mask], minlength=size).astype(np.float64) for mask in masks
        )
        p_values.append(two_samples.homogeneity(here, there))
        effects.append(two_samples.distance(here, there))
    adjusted = two_samples.holm(p_values)
    return any(
        p <= DataChecks().alpha and e >= floor for p, e in zip(adjusted, effects, strict=True)
    )


def _null(share: float) -> Injection:
    return lambda values, rng: np.where(rng.random(len(values)) < share, np.nan, values)


INJECTIONS: dict[str, tuple[str, Injection]] = {
    "age +3": ("age", lambda values, _: values + 3),
    "age +10": ("age", lambda values, _: values + 10),
    "20 % of age null": ("age", _null(0.2)),
    "30 % of genders flipped": (
        "gender",
        lambda values, rng: np.where(rng.random(len(values)) < 0.3, 1 - values, values),
    ),
    "mean value -1 in 50 %": (
        "mean_value",
        lambda values, rng: np.where(rng.random(len(values)) < 0.5, values - 1, values),
    ),
}


def injected(sessions: Sessions, name: str, rng: np.random.Generator) -> Sessions:
    feature, edit = INJECTIONS[name]
    values = edit(np.array(sessions.columns[feature], dtype=np.float64), rng)
    listed: list[Value] = [None if np.isnan(value) else float(value) for value in values]
    return dataclasses.replace(sessions, columns={**sessions.columns, feature: listed})


def populations(count: int, size: synthetic.Size) -> Iterator[Population]:
    folder = os.environ.get("MOVIELENS_DIR")
    if folder:
        yield population(Path(folder))
        return
    for seed in range(count):
        with tempfile.TemporaryDirectory() as generated:
            synthetic.generate(Path(generated), size, seed)
            yield population(Path(generated))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--populations", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=25, help="for each population")
    parser.add_argument("--injected", type=int, default=5, help="of these, with injections")
    parser.add_argument("--users", type=int, default=943)
    parser.add_argument("--items", type=int, default=400)
    parser.add_argument("--interactions", type=int, default=60_000)
    args = parser.parse_args()
    rng = np.random.default_rng(SEED)
    fired = {"checks": 0, "sessionsIndependent": 0, "rowWise": 0, "rowWiseWithoutFloor": 0}
    found = dict.fromkeys(INJECTIONS, 0)
    pairs, tried, sessions, spent = 0, 0, 0, 0.0
    size = synthetic.Size(args.users, args.items, args.interactions)
    for whole in populations(args.populations, size):
        everyone = whole.users["user_id"].to_numpy()
        for pair in range(args.pairs):
            mixed = rng.permutation(everyone)
            halves = mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]
            now, before = (part(whole, half) for half in halves)
            start = time.perf_counter()
            fired["checks"] += alarm(*now, before[0])
            spent += time.perf_counter() - start
            fired["sessionsIndependent"] += independent(now, before, whole, halves)
            fired["rowWise"] += row_wise(whole, halves, DataChecks().effect_floor)
            fired["rowWiseWithoutFloor"] += row_wise(whole, halves, 0.0)
            for name in INJECTIONS if pair < args.injected else ():
                edited = injected(now[1], name, rng)
                found[name] += alarm(told(whole, halves[0], edited), edited, before[0])
            tried += pair < args.injected
            pairs, sessions = pairs + 1, sessions + len(now[1])
        print(f"{pairs} pairs: {fired}, found {found}", flush=True)
    source = "MovieLens 100K" if os.environ.get("MOVIELENS_DIR") else "generated"
    print(
        json.dumps(
            {
                "benchmark": "data_checks",
                "data": source,
                "pairs": pairs,
                "pairsInjected": tried,
                "usersPerWindow": len(halves[0]),
                "sessionsPerWindow": round(sessions / pairs),
                "falseAlarmsPer1000": {k: round(1000 * n / pairs, 1) for k, n in fired.items()},
                "foundPer1000": {k: round(1000 * n / tried, 1) for k, n in found.items()},
                "millisecondsPerComparison": round(1000 * spent / pairs, 2),
                "seed": SEED,
                "machine": machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
