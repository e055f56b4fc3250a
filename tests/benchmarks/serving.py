"""Serving under load: the whole path, bare Triton, and the servers that others would take.

An open-loop generator of its own process sends Poisson arrivals of Zipf users (`serving_load`);
latency counts from the intended time. All sides run the same TorchScript on this machine, one
under load at a time and in turn.

    make bench-serving

- `p50_ratio`, `p99_ratio`: the transformer with its store and Triton, by Triton alone, at a steady
  rate. Medians over the rounds; the worse of the two models.
- `saturated_ratio`, `saturated_cpu_ratio`: answers a second, and CPU time of an answer, while more
  requests wait than a side can answer; by those of the best peer. A busy machine disturbs these
  less than a p99.
- `throughput_ratio`: the highest rate at which p99 is at most 25 ms, by that of the best peer:
  a custom predictor of KServe's SDK, BentoML and MLServer with torch in the process. Here every
  side gets the session in the request, and the peers get it as numbers, which is less work.
- `promotion_p99_ratio`: p99 while a second Triton and transformer start on the same machine and
  take over all requests, by that of the same rate without. It has no Gateway and no operator, and
  the new pods take their CPU from the old ones, which on a cluster they need not.
- `int8_p99_ratio`, `int8_cpu_ratio`: p99 and CPU time of an answer at the steady rate, of the
  variant in 8-bit integers by those of the full graph of the same training; and what the variant
  loses on the test window, as the training reports it.
- `collector_ratio`: as `make bench-collector`.
- `startup_extra_s`: from the start of Triton and transformer until requests may come, less the
  time of Triton and a uvicorn that does nothing.

Where others use the machine, compare the CPU time of an answer (`cpu_ms`), which they disturb
least. A step whose generator was late or busy (`bound`) measures the generator and is no evidence.
The plots are in `build/bench/`; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import collector, serving_changes, serving_models, serving_plot
from tests.benchmarks.machine import machine
from tests.benchmarks.peers import serving_envs
from tests.benchmarks.serving_sides import PEERS, Rig, Side, run_load

PLOTS = Path(__file__).resolve().parents[2] / "build" / "bench"
P99_MS = 25.0
#: The generator is late by so much of the p99, or uses so much of a core: it is the bound.
LATE, BUSY = 0.2, 0.7
FIRST_RATE, STEP = 20.0, 1.3
#: Requests a second, and seconds, that no side keeps up with on two cores.
TOO_MUCH, TOO_MUCH_SECONDS = 400.0, 2.0
Told = dict[str, Any]


def says(*what: object) -> None:
    print(*what, file=sys.stderr, flush=True)


def loaded(side: Side, rate: float, seconds: float, seed: int = 17) -> Told:
    """One step, with whether the generator was its bound."""
    told = run_load(side, {"rate": rate, "seconds": seconds, "seed": seed})
    bound = told["core"] > BUSY or told["lag_p99_ms"] > max(1.0, LATE * told["p99_ms"])
    says(side.name, {**told, "bound": bound})
    return {**told, "bound": bound}


def steady(sides: Sequence[Side], rate: float, seconds: float, rounds: int) -> dict[str, Told]:
    """Each side at one rate, in turn; medians, and all p99."""
    runs: dict[str, list[Told]] = {side.name: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 else reversed(sides):
            runs[side.name].append(loaded(side, rate, seconds, seed=number))
    return {name: _middle(told) for name, told in runs.items()}


def _middle(runs: Sequence[Told]) -> Told:
    names = ("p50_ms", "p90_ms", "p99_ms", "cpu_ms", "lag_p99_ms")
    middle = {name: round(statistics.median(run[name] for run in runs), 2) for name in names}
    parts = {
        part: round(statistics.median(run["cpu"][part] for run in runs), 2)
        for part in runs[0]["cpu"]
    }
    return middle | {
        "cpu": parts,
        "all_p99_ms": [run["p99_ms"] for run in runs],
        "answers": sum(run["answers"] for run in runs),
        "failed": sum(run["failed"] for run in runs),
        "bound": sum(run["bound"] for run in runs),
    }


def knees(sides: Sequence[Side], seconds: float, most: float) -> dict[str, list[Told]]:
    """Each side at growing rates until its p99 is far beyond the limit, in turn."""
    steps: dict[str, list[Told]] = {side.name: [] for side in sides}
    rate = FIRST_RATE
    left = list(sides)
    while left and rate <= most:
        for side in list(left):
            told = loaded(side, round(rate), seconds)
            steps[side.name].append(told)
            # A busy moment is no knee: only a second step beyond the limit ends it.
            if all(step["p99_ms"] > 2 * P99_MS for step in steps[side.name][-2:]) and (
                len(steps[side.name]) > 1
            ):
                left.remove(side)
        rate *= STEP
    return steps


def saturated(sides: Sequence[Side], rounds: int) -> dict[str, Told]:
    """Answers a second and CPU time of an answer of each side when too much is asked, in turn."""
    runs: dict[str, list[Told]] = {side.name: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 else reversed(sides):
            runs[side.name].append(loaded(side, TOO_MUCH, TOO_MUCH_SECONDS, seed=number))
    return {
        name: {
            "per_s": round(statistics.median(run["per_s"] for run in told), 1),
            "all_per_s": [run["per_s"] for run in told],
            "cpu_ms": round(statistics.median(run["cpu_ms"] for run in told), 2),
            "all_cpu_ms": [run["cpu_ms"] for run in told],
            "failed": sum(run["failed"] for run in told),
        }
        for name, told in runs.items()
    }


def throughput(steps: Sequence[Told]) -> float:
    """Answers a second of the highest step within the limit."""
    good = [step for step in steps if step["p99_ms"] <= P99_MS and not step["failed"]]
    return max((float(step["per_s"]) for step in good), default=0.0)


@contextlib.contextmanager
def rig_of(model: str) -> Iterator[Rig]:
    """The rig of a model, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-serving-") as scratch:
        yield Rig(Path(scratch), serving_models.ensure(model))


def whole_path(model: str, args: argparse.Namespace) -> Told:
    """The whole path and bare Triton at the steady rate."""
    with (
        rig_of(model) as rig,
        rig.triton() as server,
        rig.store() as store,
        rig.ours(server, store) as whole,
    ):
        told = steady([whole, rig.bare(server)], args.rate, args.seconds, args.rounds)
    return told | {
        name: round(told["whole"][f"{name[:3]}_ms"] / told["bare"][f"{name[:3]}_ms"], 3)
        for name in ("p50_ratio", "p99_ratio")
    }


def peers(model: str, args: argparse.Namespace) -> Told:
    """Our path, with sessions in the requests, and the peers, up to their knees."""
    with rig_of(model) as rig, contextlib.ExitStack() as stack:
        server = stack.enter_context(rig.triton())
        sides = [stack.enter_context(rig.ours(server, None))]
        sides += [stack.enter_context(rig.peer(name)) for name in args.peers]
        for side in sides:
            loaded(side, 20, 5)  # each worker loads and answers first
        most = saturated(sides, args.rounds)
        steps = knees(sides, args.step_seconds, args.most)
    lines = {
        name: [(step["rate"], step["p99_ms"]) for step in told] for name, told in steps.items()
    }
    serving_plot.write(PLOTS / f"serving-{model}.svg", f"p99, {model}", lines, P99_MS)
    found = {name: throughput(told) for name, told in steps.items()}
    best, ours = max((found[name] for name in args.peers), default=0.0), most["sessions"]
    others = [most[name] for name in args.peers]
    return {
        "per_s": found,
        "throughput_ratio": round(found["sessions"] / best, 3) if best else None,
        "saturated": most,
        "saturated_ratio": round(ours["per_s"] / max(one["per_s"] for one in others), 3),
        "saturated_cpu_ratio": round(min(one["cpu_ms"] for one in others) / ours["cpu_ms"], 3),
        "steps": steps,
    }


def variants(args: argparse.Namespace) -> Told:
    """The full graph of MovieLens and its variant in 8-bit integers, each behind a transformer."""
    models = {"full": "movielens", "int8": serving_models.INT8}
    sides = []
    with contextlib.ExitStack() as stack:
        for name, model in models.items():
            rig = stack.enter_context(rig_of(model))
            side = stack.enter_context(rig.ours(stack.enter_context(rig.triton()), None))
            sides.append(dataclasses.replace(side, name=name))
            loaded(sides[-1], 20, 5)  # it loads first
        steadily = steady(sides, args.rate, args.seconds, args.rounds)
        most = saturated(sides, args.rounds)
    full, int8 = steadily.values()
    return {
        "steady": steadily,
        "saturated": most,
        "p99_ratio": round(int8["p99_ms"] / full["p99_ms"], 3),
        "cpu_ratio": round(int8["cpu_ms"] / full["cpu_ms"], 3),
        "minus_full": serving_models.minus_full(serving_models.ensure(serving_models.INT8)),
    }


def table(told: Told) -> str:
    """The figures for people."""
    lines = []
    for model, each in told["whole_path"].items():
        for side in ("whole", "bare"):
            row = each[side]
            figures = f"p50 {row['p50_ms']:8.2f}  p99 {row['p99_ms']:8.2f} ms"
            lines.append(
                f"{model:14} {side:10} {figures}  CPU {row['cpu_ms']:.2f} ms {row['cpu']}"
            )
    for name, rate in told.get("peers", {}).get("per_s", {}).items():
        full = _full(told["peers"]["saturated"][name])
        lines.append(f"{name:14} {rate:8.1f} a second at p99 {P99_MS:.0f} ms; {full}")
    for name, row in told.get("variants", {}).get("steady", {}).items():
        figures = f"p50 {row['p50_ms']:8.2f}  p99 {row['p99_ms']:8.2f} ms  CPU {row['cpu_ms']:.2f}"
        lines.append(f"{name:14} {figures} ms; {_full(told['variants']['saturated'][name])}")
    return "\n".join(lines)


def _full(most: Told) -> str:
    """What a side answers when more requests arrive than it can answer."""
    return f"saturated {most['per_s']:.1f} a second, CPU {most['cpu_ms']:.2f} ms"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--models", nargs="+", choices=serving_models.MODELS, default=serving_models.MODELS)
    add("--peers", nargs="+", choices=sorted(PEERS), default=sorted(PEERS))
    add("--parts", nargs="+", choices=PARTS, default=PARTS)
    add("--rate", type=float, default=50.0, help="steady requests a second")
    add("--seconds", type=float, default=60.0, help="of a run at the steady rate")
    add("--rounds", type=int, default=3)
    add("--step-seconds", type=float, default=10.0)
    add("--most", type=float, default=1000.0, help="highest rate of the steps")
    return parser.parse_args()


#: A second version starts and takes over within these seconds, on a busy machine as well.
PROMOTION_SECONDS = 45.0
PARTS = ("path", "peers", "variants", "promotion", "collector", "startup")


def main() -> None:
    args, began = parse(), os.getloadavg()[0]
    told: Told = {"benchmark": "serving", "whole_path": {}}
    if "path" in args.parts:
        paths = {model: whole_path(model, args) for model in args.models}
        told["whole_path"] = paths
        for name in ("p50_ratio", "p99_ratio"):
            told[name] = max(each[name] for each in paths.values())
    if "peers" in args.parts:
        told["peers"] = peers("movielens", args)
        for name in ("throughput_ratio", "saturated_ratio", "saturated_cpu_ratio"):
            told[name] = told["peers"][name]
    if "variants" in args.parts:
        told["variants"] = variants(args)
        for name in ("p99_ratio", "cpu_ratio"):
            told[f"int8_{name}"] = told["variants"][name]
    if "promotion" in args.parts:
        with rig_of("movielens") as rig:
            told["promotion"] = serving_changes.promotion(
                rig, args.rate, max(args.seconds, PROMOTION_SECONDS)
            )
        told["promotion_p99_ratio"] = told["promotion"]["ratio"]
    if "collector" in args.parts:
        found = collector.throughput(args.rounds, 50_000)["batches_of_100"]
        told["collector_ratio"], told["collector"] = found["ratio"], found
    if "startup" in args.parts:
        with rig_of("movielens") as rig:
            told["startup"] = serving_changes.startup(rig, args.rounds)
        told["startup_extra_s"] = told["startup"]["extra_s"]
    says(table(told))
    told |= {
        "versions": {name: serving_envs.version(name) for name in PEERS},
        "settings": PEERS,
        "machine": machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "load": [round(began, 1), round(os.getloadavg()[0], 1)],
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
