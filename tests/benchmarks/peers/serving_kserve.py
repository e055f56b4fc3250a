"""A custom predictor of KServe's SDK with torch in the process: `… PORT WORKERS`."""

from __future__ import annotations

import sys
from typing import Any

from kserve import Model, ModelServer


class Predictor(Model):  # type: ignore[misc]
    """Answers v1 requests."""

    def __init__(self) -> None:
        super().__init__("recommender")
        self._graph: Any = None
        self.ready = True

    def load(self) -> bool:
        """Load in the worker, at its first request: the server kills one that starts slowly."""
        from serving_torch import Graph, example  # type: ignore[import-not-found]  # lies beside

        self._graph = Graph()
        self._graph.warm_up(example())
        return True

    async def predict(self, payload: dict[str, Any], *_: object, **__: object) -> dict[str, Any]:
        """Answer on the event loop: a thread for a few milliseconds costs more than it gives."""
        if self._graph is None:
            self.load()
        return {"predictions": self._graph.answer(payload["instances"])}


if __name__ == "__main__":
    port, workers = map(int, sys.argv[1:])
    ModelServer(
        http_port=port, workers=workers, enable_grpc=False, enable_latency_logging=False,
        access_log_format=None, event_loop="uvloop",
    ).start([Predictor()])  # fmt: skip
