"""What a request would save if the vectors of its user were read in place of computed.

CPU time of one request to the exported ranker with a catalogue of 50,000 items, of its parts that
make vectors of the user and of the session, and of MovieLens 100K. One thread, sessions of every
length in turn, medians and 99th percentiles. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recommender_training.artifact import triton
from recommender_training.export.tensors import to_tensors
from tests.benchmarks import serving_models
from tests.benchmarks.machine import machine

WARM_UP = 50
NOW = 890_000_000


def inputs(vocabulary: dict[str, Any]) -> Iterator[tuple[torch.Tensor, ...]]:
    """Requests of one user after the other, with a session."""
    random = np.random.default_rng(0)
    ids = np.array(vocabulary["items"]["ids"])
    longest = int(vocabulary["historyLength"])
    number = 0
    while True:
        number += 1
        items = random.choice(ids, 1 + number % longest, replace=False).tolist()
        session = [
            {"item": item, "timestamp": NOW - 600 + place, "value": 4.0}
            for place, item in enumerate(items)
        ]
        request: Any = {"user_id": number, "session": session, "timestamp": NOW, "top_n": 10}
        yield tuple(to_tensors([request], vocabulary))


def parts(model: Any, given: tuple[torch.Tensor, ...]) -> dict[str, Callable[[], Any]]:
    """The whole request, and what makes vectors of its user and of its session."""
    user_id, features, items, times, values, now, _ = given
    user, side = model.read_user(user_id, features, now)
    session = model.last_events(items, times, values, now)
    return {
        "request": lambda: model(*given),
        "user_vector": lambda: model.user_vector(user, side),
        "session_vector": lambda: model.request_vectors(session, side, now),
        "session_taste": lambda: model.session_taste(session),
    }


def measure(folder: Path, calls: int) -> dict[str, dict[str, float]]:
    """CPU milliseconds of each part; their calls alternate."""
    artifact = folder / "staged"
    vocabulary = json.loads((artifact / "vocabulary.json").read_text())
    model = torch.jit.load(triton.model_path(artifact, triton.MODELS[0]))  # type: ignore[no-untyped-call]
    drawn = inputs(vocabulary)
    spent: dict[str, list[float]] = {}
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        for number in range(WARM_UP + calls):
            for name, call in parts(model, next(drawn)).items():
                start = time.thread_time()
                call()
                if number >= WARM_UP:
                    spent.setdefault(name, []).append(1000 * (time.thread_time() - start))
    return {
        name: {
            "p50": round(float(np.median(each)), 4),
            "p99": round(float(np.quantile(each, 0.99)), 4),
        }
        for name, each in spent.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=500)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    for model in serving_models.MODELS:
        found[model] = measure(serving_models.ensure(model), arguments.calls)
        print(model, found[model], flush=True)
    print(json.dumps({"benchmark": "user-vectors", **found, "machine": machine()}))


if __name__ == "__main__":
    main()
