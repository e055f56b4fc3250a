"""A fleet of models on a real API server: how fast it converges, and its cost at rest.

The operator is its real process. A separate process simulates the rest of Kubernetes
(`operator_cluster.py`): no container runs, Jobs and pods are ready within milliseconds, so that
only the operator and the API server are measured. Pods answer on 127.0.0.0/8, each on a
separate socket, with small pages of counters.

    converge_s        from the creation of all models until each serves its first version, or is
                      known to be paused
    rollout_s         from new specs for a tenth of them until each is promoted, in three steps
    verdict_to_route  from a weight in the status of a second version to the same weight in the
                      HTTPRoute, as a watch sees both (until 2026-11-28 of first versions too, so
                      that figures from before do not compare)
    idle              no version moves and drift is not watched: only looks without changes remain
    watched           drift is watched: the counters of every champion are read every 15 s
    recovery          from the start of a killed operator until it has looked at every model, and
                      has answered what changed while it was away

The API server and etcd run on the same cores, so times include them. It
is the API server of the integration tests, started afresh.
The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import pathlib
import signal
import statistics
import tempfile
import time
from typing import Any

from recommender_operator.metrics.operator_metrics import version as operator_version
from tests.benchmarks import operator_account
from tests.benchmarks.machine import machine
from tests.benchmarks.operator_fleet import Fleet, paused, ready
from tests.benchmarks.operator_process import (
    Figures,
    Operator,
    Simulator,
    control_plane,
    cpu_seconds,
)
from tests.cluster import api
from tests.integration import operator_api_rig as rig

#: Flux 2.x: https://fluxcd.io/flux/installation/configuration/vertical-scaling/ and its benchmark.
FLUX = {"objects": 1000, "converge_s": 253, "rss_mib": 223}


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    # The operator would also reconcile objects of an earlier run.
    api.stop_apiserver()
    rig.kubeconfig()
    with tempfile.TemporaryDirectory() as folder:
        config = operator_account.config(pathlib.Path(folder))
        log, settings = pathlib.Path(folder) / "operator.log", dict(options.setting)
        operator = Operator(config, log, options.source, settings)
        fleet = Fleet(options.models, config)
        await fleet.start()
        with Simulator(config, pathlib.Path(folder) / "simulator.log") as simulator:
            operator.start()
            try:
                beside = {**control_plane(), "simulator": simulator.pid, "fleet": os.getpid()}
                return await _life(options, operator, fleet, beside)
            finally:
                operator.end(signal.SIGTERM)
                await fleet.stop()
                text = operator.log.read_text(encoding="utf-8")
                print(f"  {text.count('Traceback')} tracebacks in the operator's log")
                if options.keep_log:
                    pathlib.Path(options.keep_log).write_text(text, encoding="utf-8")


async def _life(
    options: argparse.Namespace, operator: Operator, fleet: Fleet, beside: dict[str, int]
) -> dict[str, Any]:
    """`beside` has the process ids of what shares the cores with the operator."""
    await operator.healthy()
    before = operator.figures()
    others = {name: cpu_seconds(pid) for name, pid in beside.items()}
    started = time.monotonic()
    await fleet.create(paused=options.paused)
    print(f"  all are made after {time.monotonic() - started:.0f} s", flush=True)
    every = fleet.places
    settled = paused if options.paused else ready
    await fleet.until("settled", lambda: sum(not settled(s) for s in fleet.statuses(every)))
    result: dict[str, Any] = {"converge_s": round(time.monotonic() - started, 1)}
    after = operator.figures()
    result["converge_cpu_s"] = round(after.cpu - before.cpu, 1)
    result["converge_writes"] = after.writes - before.writes
    result["converge_looks"] = after.looks - before.looks
    result["converge_rss_mib"] = round(after.rss_mib, 1)
    result["converge_cpu_s_beside"] = {
        name: round(cpu_seconds(pid) - others[name], 1) for name, pid in beside.items()
    }
    per_model = {
        name: round(count / options.models, 2)
        for name, count in (after.requests - before.requests).most_common()
    }
    print(f"  requests per model: {per_model}", flush=True)
    if options.only_converge:
        return result
    if not options.paused:
        result |= await _rollout(fleet)
    result |= await _rest(options, operator, "idle", options.idle_window)
    if not options.paused:
        await fleet.patch(every, {"retrain": {"drift": {"enabled": True}}})
        result |= await _rest(options, operator, "watched", options.window)
    result |= await _recovery(operator, fleet)
    result["rss_mib"] = round(operator.figures().rss_mib, 1)
    result["rss_peak_mib"] = round(operator.figures().peak_mib, 1)
    return result


async def _rollout(fleet: Fleet) -> dict[str, Any]:
    """Give a tenth of the models a new spec, and wait for their promotions."""
    moved = fleet.places[:: max(1, 10)]
    before = fleet.champions()
    await fleet.watch_routes()
    started = time.monotonic()
    await fleet.patch(moved, {"training": {"seed": 18}})

    def left() -> int:
        now = fleet.champions()
        return sum(now[place] == before[place] for place in moved)

    await fleet.until("rolling out", left)
    seconds = sorted(fleet.routes.seconds)
    return {
        "rollouts": len(moved),
        "rollout_s": round(time.monotonic() - started, 1),
        "verdict_to_route_p99_s": round(quantile(seconds, 0.99), 3),
        "verdict_to_route_p50_s": round(quantile(seconds, 0.5), 3),
        "routes_measured": len(seconds),
    }


def quantile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


async def _rest(
    options: argparse.Namespace, operator: Operator, name: str, window: float
) -> dict[str, Any]:
    """Measure windows at rest; the median of their CPU counts, because the cores are shared."""
    await asyncio.sleep(options.settle)
    marks_: list[Figures] = [operator.figures()]
    for _ in range(options.windows):
        await asyncio.sleep(window)
        marks_.append(operator.figures())
    pairs = list(itertools.pairwise(marks_))
    cpu = [100 * (b.cpu - a.cpu) / (b.at - a.at) for a, b in pairs]
    first, last = marks_[0], marks_[-1]
    looks, hours = last.looks - first.looks, (last.at - first.at) / 3600
    print(f"  {name}: CPU % by window {[round(value, 2) for value in cpu]}", flush=True)
    result = {
        f"{name}_cpu_percent": round(statistics.median(cpu), 2),
        f"{name}_looks_per_s": round(looks / (last.at - first.at), 2),
    }
    steady = {
        "reads_per_look": round((last.reads - first.reads) / max(1, looks), 3),
        "writes_per_steady_hour": round((last.writes - first.writes) / hours),
    }
    prefix = "" if name == "idle" else f"{name}_"
    return result | {f"{prefix}{key}": value for key, value in steady.items()}


async def _recovery(operator: Operator, fleet: Fleet) -> dict[str, Any]:
    operator.end(signal.SIGKILL)
    changed = fleet.places[1::100] or fleet.places[:1]
    turned = not paused(fleet.statuses(changed)[0])
    await fleet.patch(changed, {"paused": turned})
    started = time.monotonic()
    operator.start()

    def unanswered() -> int:
        return sum(paused(status) != turned for status in fleet.statuses(changed))

    await fleet.until("answered after a restart", unanswered)
    answered = time.monotonic() - started
    total = len(fleet.places)
    await fleet.until("looked at after a restart", lambda: max(0, total - operator.looks()))
    return {
        "restart_answer_s": round(answered, 1),
        "restart_recovery_s": round(time.monotonic() - started, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", type=int, default=1000)
    parser.add_argument(
        "--paused", action="store_true", help="all models are paused: none rolls out"
    )
    parser.add_argument(
        "--only-converge", action="store_true", help="end when all serve their first version"
    )
    parser.add_argument("--settle", type=float, default=20, help="seconds before rest is measured")
    parser.add_argument(
        "--idle-window",
        type=float,
        default=110,
        help="seconds of one idle window; the windows together are longer than the time between "
        "two looks at a model that rests, or they would miss the looks",
    )
    parser.add_argument(
        "--window", type=float, default=30, help="seconds of one window with drift watched"
    )
    parser.add_argument("--windows", type=int, default=3)
    parser.add_argument("--source", default="", help="the operator's folder of another checkout")
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        type=lambda text: text.split("=", 1),
        help="of the operator, as RECOMMENDER_WORKERS=20",
    )
    parser.add_argument("--keep-log", default="", help="where the operator's log is written to")
    options = parser.parse_args()
    figures = asyncio.run(measure(options))
    per_object = FLUX["converge_s"] / FLUX["objects"]
    line = {
        "benchmark": "operator",
        "models": options.models,
        "paused": options.paused,
        **figures,
        "reference": {"flux": FLUX},
        "ratio": round(per_object * options.models / figures["converge_s"], 2),
        "machine": machine(),
        "versions": {"operator": operator_version(), "kubernetes": "37.0.1"},
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
