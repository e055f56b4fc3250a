"""Training throughput against RecBole 1.2.1, and of the trainer against a bare loop.

    make bench-training

Each side runs in a separate process with two threads, batches of 2048 and, for DeepFM and DIN,
the same rows, fields, widths, dropout, learning rate and epochs; the processes alternate, in an
order that rotates with each repeat. RecBole runs in a separate environment (`peers`), DIN
without its default autograd anomaly mode. Ours multiplies in bfloat16 where the processor has
instructions for it (`training_precision`; `--only-avx2` runs all sides as on one that has none)
and factors DIN's first layer, which is the same function. Samples per second are of the training
steps of an epoch, the first epoch left out (DeepFM, DIN), or of a whole fit with its looks at the
validation window (ranker and bare loop). AUC: DeepFM and DIN on the test window with the weights
that were best on the validation window, ranker on the validation window; mean of the repeats. Its
95 % intervals are by resampled users and repeats: fits of one model with another seed differ by
as much as its users do. The last line is one JSON object.
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

from recommender_training.common import processor
from recommender_training.common.arrays import Doubles
from recommender_training.evaluation.confidence_intervals import Sampled
from recommender_training.statistics import bootstrap, model_metrics
from tests.benchmarks import training_data, training_precision
from tests.benchmarks.machine import machine
from tests.benchmarks.peers import recbole_env
from tests.cluster.progress import say

SIDES = ("recbole_deepfm", "deepfm", "recbole_din", "din", "ranker", "bare_loop")
MODELS = {
    "recbole_deepfm": "DeepFM", "deepfm": "DeepFM", "recbole_din": "DIN", "din": "DIN",
    "ranker": "Ranker", "bare_loop": "Bare",
}  # fmt: skip
PAIRS = {
    "deepfm_ratio": ("deepfm", "recbole_deepfm"),
    "din_ratio": ("din", "recbole_din"),
    "bare_ratio": ("ranker", "bare_loop"),
}
SHAPES: dict[str, Any] = {
    "width": 64, "hidden": [128, 64], "dropout": 0.2, "batchSize": 2048, "learningRate": 1e-3,
    "historyLength": 20, "threads": 2,
}  # fmt: skip

WORKER = Path(__file__).parent / "peers" / "recbole_worker.py"
Result = dict[str, Any]


def one(side: str, repeat: int, asked: dict[str, Any], peer: Path, scratch: Path) -> Result:
    """Run one side in a separate process; raises RuntimeError with its output if it fails."""
    of_peer = side.startswith("recbole")
    named = asked | {"model": MODELS[side], "seed": 1 + repeat, "folder": str(scratch)}
    if of_peer:
        named["folder"] = str(scratch / MODELS[side])
    named["result"] = str(scratch / f"{side}-{repeat}.npz")
    paper = scratch / f"{side}-{repeat}.json"
    paper.write_text(json.dumps(named))
    command = [sys.executable, "-m", "tests.benchmarks.training_sides"]
    if of_peer:
        command = [str(peer), "-W", "ignore", str(WORKER)]
    threads = str(asked["threads"])
    began = time.monotonic()
    done = subprocess.run(
        [*command, str(paper)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ
        | {"OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        | environment(asked),
        cwd=None if not of_peer else scratch,  # RecBole writes logs to the current folder
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr.strip()[-3000:]}")
    with np.load(named["result"], allow_pickle=False) as read:
        result = dict(read)
    seconds = time.monotonic() - began
    say(f"repeat {repeat + 1}: {side} {np.median(paces(side, result)):,.0f}/s ({seconds:.0f} s)")
    return result


def environment(asked: dict[str, Any]) -> dict[str, str]:
    """The environment of all sides."""
    return training_precision.AVX2 if asked["onlyAvx2"] else {}


def restricted(asked: dict[str, Any]) -> str | None:
    """The newest instructions of all sides, where the benchmark restricts them."""
    return "AVX2" if asked["onlyAvx2"] else None


def multiplied(asked: dict[str, Any], peer: Path) -> dict[str, Any]:
    """The products of both Pythons, which are as the benchmark takes them to be."""
    found = {}
    for side, python in (("ours", sys.executable), ("recbole", str(peer))):
        found[side] = training_precision.products(python, environment(asked))
        training_precision.verify(
            side, found[side], asked["bfloat16Native"], only_avx2=asked["onlyAvx2"]
        )
    return found


def paces(side: str, result: Result) -> list[float]:
    """Samples per second of each epoch but the first, or of the whole fit."""
    seconds = result["seconds"]
    timed = seconds if MODELS[side] in ("Ranker", "Bare") else seconds[1:]
    return [float(result["rows"]) / float(each) for each in timed]


def pace(side: str, results: list[Result]) -> dict[str, float]:
    """Median of the processes' medians, and their minimum and maximum."""
    medians = [float(np.median(paces(side, result))) for result in results]
    return {
        "median": round(float(np.median(medians))),
        "least": round(min(medians)),
        "most": round(max(medians)),
    }


def within_repeats(ours: list[float], theirs: list[float]) -> dict[str, float]:
    """Median, minimum and maximum of the ratios of each repeat, whose sides ran in turn.

    A busy period of the machine slows both sides of a repeat, but not both medians.
    """
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return {
        "median": round(float(np.median(ratios)), 3),
        "least": round(min(ratios), 3),
        "most": round(max(ratios), 3),
    }


def area(
    results: list[Result],
    like: Result,
    drawn: bootstrap.Resamples,
    random: np.random.Generator,
) -> Sampled:
    """The mean AUC of the repeats, over the rows and in the order of `like`."""
    label, user, order = like["label"] > 0.5, like["user"], np.argsort(like["key"])
    values, resampled = [], []
    for result in results:
        keys = result.get("key")
        if keys is None:
            keys = training_data.pair(result["user"], result["item"])
        place = np.argsort(keys)
        if not np.array_equal(keys[place], like["key"][order]):
            raise RuntimeError("the sides were judged on different rows")
        score = np.empty(len(label))
        score[order] = result["probability"][place]
        whole = model_metrics.auc(label, score)
        assert whole is not None
        values.append(whole)
        resampled.append(bootstrap.auc(drawn, label, score, user))
    users = len(np.unique(user))
    return Sampled(float(np.mean(values)), over_seeds(np.array(resampled), random), users)


def over_seeds(resampled: Doubles, random: np.random.Generator) -> Doubles:
    """[B] means of repeats [S, B], of which each resample draws S with replacement.

    Resamples of few vary too little: deviations grow by sqrt(S / (S - 1)).
    """
    seeds, count = resampled.shape
    mean: Doubles = resampled.mean(0)
    if seeds == 1:
        return mean
    drawn = resampled[random.integers(seeds, size=(seeds, count)), np.arange(count)].mean(0)
    grown: Doubles = mean + (drawn - mean) * np.sqrt(seeds / (seeds - 1))
    return grown


def areas(results: dict[str, list[Result]]) -> dict[str, Any]:
    """AUC of each side and the paired differences, each with its interval."""
    report: dict[str, Any] = {}
    random = np.random.default_rng(bootstrap.SEED)
    for ours, other in PAIRS.values():
        like = results[ours][0]
        drawn = bootstrap.draw(like["user"])
        mine, theirs = (area(results[side], like, drawn, random) for side in (ours, other))
        report[f"{ours}_auc"] = mine.estimate(drawn)
        report[f"{other}_auc"] = theirs.estimate(drawn)
        difference = mine.minus(theirs).estimate(drawn)
        report[f"{ours}_auc_difference"] = difference
        low, high = difference["low"], difference["high"]
        report[f"{ours}_auc_same"] = low is not None and high is not None and low <= 0 <= high
    return report


def summary(results: dict[str, list[Result]], asked: dict[str, Any]) -> dict[str, Any]:
    """The report: figures, ratios, targets and settings."""
    figures = {side: pace(side, results[side]) for side in SIDES}
    targets = training_precision.targets(asked["bfloat16Native"])
    of = {f"{side}_samples_per_s": figures[side]["median"] for side in SIDES}
    ratios = {
        name: figures[ours]["median"] / figures[other]["median"]
        for name, (ours, other) in PAIRS.items()
    }
    of_repeats = {
        side: [float(np.median(paces(side, result))) for result in results[side]] for side in SIDES
    }
    return {
        "benchmark": "training",
        **of,
        **{name: round(value, 3) for name, value in ratios.items()},
        # Relative to the better other library: the smaller ratio.
        "ratio": round(min(ratios["deepfm_ratio"], ratios["din_ratio"]), 3),
        "within_repeats": {
            name: within_repeats(of_repeats[ours], of_repeats[other])
            for name, (ours, other) in PAIRS.items()
        },
        **areas(results),
        "targets": targets,
        "reached": {name: bool(ratios[name] >= least) for name, least in targets.items()},
        "spread": figures,
        "weights": {side: int(results[side][0]["weights"]) for side in SIDES},
        "torch": {side: str(results[side][0]["torch"]) for side in SIDES},
        "settings": asked,
        "load": round(os.getloadavg()[0], 1),
        "machine": machine(restricted(asked)),
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--deepfm-epochs", type=int, default=7, help="the first is not timed")
    parser.add_argument("--din-epochs", type=int, default=3, help="the first is not timed")
    parser.add_argument("--ranker-epochs", type=int, default=5)
    parser.add_argument("--precision", choices=["Auto", "BFloat16", "Float32"], default="Auto")
    parser.add_argument(
        "--only-avx2", action="store_true", help="as on a processor without BFloat16, all sides"
    )
    parser.add_argument("--rows", type=int, help="only the newest of the training rows")
    parser.add_argument("--threads", type=int, default=SHAPES["threads"])
    parser.add_argument(
        "--clock",
        choices=["wall", "cpu"],
        default="wall",
        help="cpu: seconds of all cores; on a busy machine, with one thread",
    )
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES, help="in part")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    peer = recbole_env.ensure()
    epochs = dict.fromkeys(SIDES, args.ranker_epochs)
    epochs |= dict.fromkeys(("deepfm", "recbole_deepfm"), args.deepfm_epochs)
    epochs |= dict.fromkeys(("din", "recbole_din"), args.din_epochs)
    native = training_precision.native(processor.here(), args.only_avx2)
    asked = SHAPES | {
        "precision": training_precision.chosen(args.precision, native),
        "onlyAvx2": args.only_avx2, "bfloat16Native": native,
        "threads": args.threads, "clock": args.clock,
    }  # fmt: skip
    asked["products"] = multiplied(asked, peer)
    results: dict[str, list[Result]] = {side: [] for side in SIDES}
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        task = training_data.make(folder, args.rows)
        for model in ("DeepFM", "DIN"):
            training_data.write_recbole(task, model, folder)
        del task
        for repeat in range(args.repeats):
            shift = repeat % len(SIDES)
            for side in (*SIDES[shift:], *SIDES[:shift]):
                if side in args.sides:
                    named = asked | {"epochs": epochs[side]}
                    results[side].append(one(side, repeat, named, peer, folder))
    if set(args.sides) != set(SIDES):
        told = {side: pace(side, each) for side, each in results.items() if each}
        print(json.dumps(told | {"settings": asked, "machine": machine(restricted(asked))}))
        return
    report = summary(results, asked | {"epochs": epochs, "rows": args.rows})
    report["seconds"] = round(time.monotonic() - began, 1)
    for side, spread in report["spread"].items():
        print(f"{side:16}", {**spread, "auc": report[f"{side}_auc"]})
    print(json.dumps(report))


if __name__ == "__main__":
    main()
