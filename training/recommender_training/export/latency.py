"""Time of single requests to the exported models, as Triton's configuration runs them."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recommender_contract.artifact import VOCABULARY
from recommender_training.artifact import triton
from recommender_training.artifact.triton import MODELS
from recommender_training.data.sessions import Request
from recommender_training.export import torchscript
from recommender_training.export.tensors import to_tensors

_WARM_UP = 20
_NOW = 890_000_000
#: A burst of other work on the machine spoils one round, not the median of all.
ROUNDS, ROUND_CALLS, BUDGET_SECONDS = 5, 100, 5.0

#: Seconds of a clock that only moves forward.
Clock = Callable[[], float]


def measure_latency(artifact: Path, calls: int, threads: int) -> dict[str, dict[str, float]]:
    """Milliseconds of one call with top 10, sessions of every length in turn, by model."""
    return {name: _quantiles(_timed(artifact, name, calls, threads)) for name in MODELS}


def p99_milliseconds(
    artifact: Path,
    *,
    budget: float = BUDGET_SECONDS,
    clock: Clock = time.thread_time,
) -> float:
    """99th percentile of a single request to the model that serves, after warming up.

    The median of ROUNDS rounds of ROUND_CALLS calls; a slow model is called less often, so that
    it takes about `budget` seconds, but at least once. The clock is that of the CPU, on which the
    one thread computes: a training shares its node, and time that it waits is not the graph's.
    """
    times = _timed(artifact, MODELS[0], ROUNDS * ROUND_CALLS, 1, clock, budget)
    rounds = np.array_split(np.array(times), min(ROUNDS, len(times)))
    return round(float(np.median([np.quantile(part, 0.99) for part in rounds])), 3)


def _quantiles(times: list[float]) -> dict[str, float]:
    p50, p99 = np.quantile(times, [0.5, 0.99])
    return {"p50Milliseconds": round(float(p50), 3), "p99Milliseconds": round(float(p99), 3)}


def _timed(
    artifact: Path,
    name: str,
    calls: int,
    threads: int,
    clock: Clock = time.perf_counter,
    budget: float = math.inf,
) -> list[float]:
    """Milliseconds of each call to an exported model."""
    vocabulary = json.loads((artifact / VOCABULARY).read_text())
    model = torchscript.load(triton.model_path(artifact, name))
    return timed(model, vocabulary, calls, threads, clock, budget)


def compare_latency(
    models: Mapping[str, torch.jit.ScriptModule],
    vocabulary: dict[str, Any],
    *,
    rounds: int = ROUNDS,
    budget: float = BUDGET_SECONDS,
    clock: Clock = time.thread_time,
) -> dict[str, dict[str, float]]:
    """Milliseconds of one call to each model, their rounds in turn: medians of those of a round.

    A burst of other work so meets all models alike. `budget` is of each model, in seconds.
    """
    times: dict[str, list[dict[str, float]]] = {name: [] for name in models}
    for _ in range(rounds):
        for name, model in models.items():
            spent = timed(model, vocabulary, ROUND_CALLS, 1, clock, budget / rounds)
            times[name].append(_quantiles(spent))
    return {
        name: {key: round(float(np.median([r[key] for r in parts])), 3) for key in parts[0]}
        for name, parts in times.items()
    }


def timed(
    model: torch.jit.ScriptModule,
    vocabulary: dict[str, Any],
    calls: int,
    threads: int,
    clock: Clock = time.perf_counter,
    budget: float = math.inf,
) -> list[float]:
    """Milliseconds of each call; warming up takes half of the budget of seconds at most."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    spent, times = 0.0, list[float]()
    try:
        single = _single_calls(model, vocabulary, clock)
        for seconds in itertools.islice(single, _WARM_UP):
            spent += seconds
            if spent >= budget / 2:
                break
        while len(times) < calls and (spent < budget or not times):
            seconds = next(single)
            spent += seconds
            times.append(1000 * seconds)
    finally:
        torch.set_num_threads(before)
    return times


def _single_calls(
    model: torch.jit.ScriptModule, vocabulary: dict[str, Any], clock: Clock
) -> Iterator[float]:
    """Seconds of one call after the other, for ever."""
    random = np.random.default_rng(0)
    ids = np.array(vocabulary["items"]["ids"])
    longest = int(vocabulary["historyLength"])
    for number in itertools.count():
        length = min(number % (longest + 1), len(ids))
        items = random.choice(ids, length, replace=False).tolist()
        inputs = to_tensors([_request(number, items)], vocabulary)
        with torchscript.as_served():
            start = clock()
            model(*inputs)
            seconds = clock() - start
        yield seconds


def _request(number: int, items: list[int]) -> Request:
    session = [
        {"item": item, "timestamp": _NOW - 600 + place, "value": 4.0}
        for place, item in enumerate(items)
    ]
    return {"user_id": 2 * number, "session": session, "timestamp": _NOW, "top_n": 10}
