"""Time of single requests to the exported models, as Triton's configuration runs them."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recommender_training.artifact.triton import MODELS
from recommender_training.export import torchscript
from recommender_training.export.tensors import to_tensors
from recommender_training.sessions import Request

_WARM_UP = 20
_NOW = 890_000_000


def measure(artifact: Path, calls: int, threads: int) -> dict[str, dict[str, float]]:
    """Milliseconds of one call with top 10, sessions of every length in turn, by model."""
    vocabulary = json.loads((artifact / "vocabulary.json").read_text())
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return {name: _times(artifact, name, vocabulary, calls) for name in MODELS}
    finally:
        torch.set_num_threads(before)


def _times(artifact: Path, name: str, vocabulary: dict[str, Any], calls: int) -> dict[str, float]:
    model = torchscript.load(artifact / "repository" / name / "1" / "model.pt")
    random = np.random.default_rng(0)
    ids = np.array(vocabulary["items"]["ids"])
    taken: list[float] = []
    # Not optimised, as in config.pbtxt: the times do not depend on which shapes came before.
    with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
        for number in range(_WARM_UP + calls):
            length = number % (int(vocabulary["historyLength"]) + 1)
            items = random.choice(ids, min(length, len(ids)), replace=False).tolist()
            inputs = to_tensors([_request(number, items)], vocabulary)
            start = time.perf_counter()
            model(*inputs)
            taken.append(1000 * (time.perf_counter() - start))
    p50, p99 = np.quantile(taken[_WARM_UP:], [0.5, 0.99])
    return {"p50Milliseconds": round(float(p50), 3), "p99Milliseconds": round(float(p99), 3)}


def _request(number: int, items: list[int]) -> Request:
    session = [
        {"item": item, "timestamp": _NOW - 600 + place, "value": 4.0}
        for place, item in enumerate(items)
    ]
    return {"user_id": 2 * number, "session": session, "timestamp": _NOW, "top_n": 10}
