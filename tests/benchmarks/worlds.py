"""Lists of default trainings in nine generated worlds with known truth, against simple peers.

Each world is a kind of shop (`tests/worlds/generators`). For each seed, a version is trained on
its files by the command with default settings, and answers requests that come after the cut, as
the served graphs answer them. Peers get the same log and are tuned before the cut
(`tests/worlds/protocol.py`). `--seeds dev` may be used to choose something; `--seeds report`
never, so that its figures are fresh. Progress goes to stderr; the last line is one JSON object,
by world:

- `ndcg_ratio_best_peer`, `..._low`, `..._high`: expected NDCG@10 of the lists over that of
  `best_peer`, the one with the best lists after the cut, over all seeds; bootstrap over both
  seeds and users
- `ratio_by_age`: the same by the age of the version at the request, over the best of the live
  popularities, `best_live_popularity`
- `share_of_truth`, `peer_share_of_truth`: over that of the order of the true probabilities
- `auc_ratio`: of clicks on shown lists, AUC of the answers over that of the truth; elsewhere, AUC
  of the ranker over that of the baseline in the version's report
- `normalised_entropy`: of clicks on shown lists, by the truth, against the training's share of
  clicks; elsewhere, from the report
- `train_s`, `peak_mib`, `answer_p50_ms`: means over the seeds; of the whole command; of one
  request through the transformer's app in this process
- `target`: what a list is judged by
- `failed`: messages of trainings that gave no version; their seeds count with worthless lists
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import json
import multiprocessing
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.machine import machine
from tests.worlds import estimates, product, protocol
from tests.worlds.every import SIZES, WORLDS
from tests.worlds.peers.popularity import PEERS as POPULAR
from tests.worlds.world import Doubles, Ints, World

#: Those of one never choose what those of the other report.
SEEDS = {"dev": (1, 2, 3), "report": (9001, 9002, 9003, 9004, 9005)}
#: Hours of a version's age at a request.
AGES = {"6h": (0, 6), "24h": (6, 24), "week": (24, 168), "later": (168, np.inf)}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """One seed of a world. [R] values of lists by side, with user and age (hours) of each."""

    target: str
    users: Ints
    ages: Doubles
    sides: dict[str, Doubles]  # of "product", "truth" and the peers
    numbers: dict[str, float]  # of the training and the answers; empty if it failed
    failed: str | None = None


def evaluate(name: str, seed: int, size: str, threads: int) -> Outcome:
    """Train and judge one seed of a world."""
    world = WORLDS[name](seed, size)
    truth = np.array([protocol.best(request.chances) for request in world.requests])
    sides = protocol.judged(world, np.random.default_rng(seed)) | {"truth": truth}
    users = np.array([request.user for request in world.requests])
    ages = np.array([(request.time - world.cut) / 3600 for request in world.requests])
    with tempfile.TemporaryDirectory() as folder:
        try:
            version = product.train(world, Path(folder) / name, threads)
        except product.TrainingError as error:
            sides["product"] = np.zeros(len(truth))
            return Outcome(world.target, users, ages, sides, {}, str(error))
        answers = product.answers(version, world)
    pairs = zip(answers, world.requests, strict=True)
    sides["product"] = np.array(
        [protocol.worth(answer.items, request.chances) for answer, request in pairs]
    )
    numbers = {
        "train_s": version.seconds,
        "peak_mib": version.peak_mib,
        "answer_p50_ms": statistics.median(answer.ms for answer in answers),
        **_responses(world, version, answers),
    }
    return Outcome(world.target, users, ages, sides, numbers)


def _responses(
    world: World, version: product.Version, answers: Sequence[product.Answered]
) -> dict[str, float]:
    if not world.shown:
        metrics = version.report["metrics"]
        return {
            "auc_ratio": metrics["auc"] / metrics["baselineAuc"],
            "normalised_entropy": metrics["normalisedEntropy"],
        }
    scores = np.concatenate([each.scores for each in answers if each.scores is not None])
    chances = np.concatenate([each.chances[each.candidates] for each in world.requests])
    rate = float(world.log.before(world.cut).positive.mean())
    return {
        "auc_ratio": estimates.auc(scores, chances) / estimates.auc(chances, chances),
        "normalised_entropy": estimates.normalised_entropy(scores, chances, rate),
    }


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The figures of a world over its seeds."""

    def total(side: str) -> float:
        return float(sum(each.sides[side].sum() for each in outcomes))

    def against(side: str, ages: tuple[float, float] = (0, np.inf)) -> tuple[float, float, float]:
        kept = [(each, (each.ages >= ages[0]) & (each.ages < ages[1])) for each in outcomes]
        return estimates.ratio(
            [
                estimates.Paired(each.users[at], each.sides["product"][at], each.sides[side][at])
                for each, at in kept
                if each.sides[side][at].any()
            ]
        )

    best = max(protocol.PEERS, key=total)
    live = max(POPULAR, key=total)
    ratio, low, high = against(best)
    ages = {
        name: against(live, span)[0]
        for name, span in AGES.items()
        if any(each.sides[live][(each.ages >= span[0]) & (each.ages < span[1])].any()
               for each in outcomes)
    }  # fmt: skip
    trained = [each.numbers for each in outcomes if each.numbers]
    means = {
        name: statistics.fmean(each[name] for each in trained)
        for name in (trained[0] if trained else ())
    }
    return {
        "ndcg_ratio_best_peer": ratio,
        "ndcg_ratio_best_peer_low": low,
        "ndcg_ratio_best_peer_high": high,
        "best_peer": best,
        "share_of_truth": total("product") / total("truth"),
        "peer_share_of_truth": {name: total(name) / total("truth") for name in protocol.PEERS},
        "best_live_popularity": live,
        "ratio_by_age": ages,
        **means,
        "requests": sum(len(each.users) for each in outcomes),
        "target": outcomes[0].target,
        "failed": [each.failed for each in outcomes if each.failed],
    }


def rounded(value: Any) -> Any:
    """The same with four digits behind the point."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    return round(value, 4) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worlds", default=",".join(WORLDS), help="names, with commas between")
    parser.add_argument("--seeds", default="dev", help="dev, report, or numbers, such as 1,2")
    parser.add_argument("--size", choices=SIZES, default="full")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args()
    names = given.worlds.split(",")
    if unknown := set(names) - set(WORLDS):
        parser.error(f"--worlds: no world {sorted(unknown)}; there are {list(WORLDS)}")
    seeds = SEEDS.get(given.seeds) or tuple(map(int, given.seeds.split(",")))
    threads = max(1, (os.cpu_count() or 1) // given.jobs)
    found: dict[str, dict[int, Outcome]] = {name: {} for name in names}
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(given.jobs, mp_context=context) as pool:
        waiting = {
            pool.submit(evaluate, name, seed, given.size, threads): (name, seed)
            for seed in seeds
            for name in names
        }
        for done in concurrent.futures.as_completed(waiting):
            name, seed = waiting[done]
            outcome = found[name][seed] = done.result()
            line = json.dumps(rounded(summary([outcome])))
            print(f"{name}, seed {seed}: {line}", file=sys.stderr, flush=True)
    worlds = {name: summary([by_seed[seed] for seed in seeds]) for name, by_seed in found.items()}
    print(
        json.dumps(
            {
                "benchmark": "worlds",
                "seeds": given.seeds,
                "size": given.size,
                "worlds": rounded(worlds),
                "machine": machine(),
            }
        )
    )


if __name__ == "__main__":
    main()
