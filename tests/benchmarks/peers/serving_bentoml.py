"""A BentoML service with torch in the process: `bentoml serve serving_bentoml:Recommender`.

`WORKERS` is its number of processes. `BATCH` is the most instances of a batch of its adaptive
batching; 1 is none.
"""

from __future__ import annotations

import os
from typing import Any

import bentoml
from serving_torch import Graph, example  # type: ignore[import-not-found]  # lies beside this file

BATCH = int(os.environ["BATCH"])


@bentoml.service(
    workers=int(os.environ["WORKERS"]),
    traffic={"timeout": 30, "max_concurrency": 1000},
    logging={"access": {"enabled": False}},
    metrics={"enabled": True},
)
class Recommender:
    """Answers instances."""

    def __init__(self) -> None:
        self._graph = Graph()
        self._graph.warm_up(example())

    async def predict(self, instances: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Answer a request, or a batch that BentoML has merged."""
        answers: list[dict[str, Any]] = self._graph.answer(instances)
        return answers

    predict = (  # type: ignore[assignment]
        bentoml.api(batchable=True, max_batch_size=BATCH, max_latency_ms=1000)(predict)
        if BATCH > 1
        else bentoml.api(predict)
    )
