"""The exported graph in the process of a peer: what its twenty lines share.

Runs in the environments of `serving_envs`, which have torch but none of our packages. `MODEL` is
the file of the graph, `THREADS` the threads of an operation.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import torch

KINDS = {
    "user_id": torch.int64,
    "features": torch.float32,
    "session_items": torch.int64,
    "session_timestamps": torch.int64,
    "session_values": torch.float32,
    "timestamp": torch.int64,
    "top_n": torch.int64,
}
WARM_UP = 20


class Graph:
    """The graph, warmed up."""

    def __init__(self) -> None:
        torch.set_num_threads(int(os.environ["THREADS"]))
        self._module = torch.jit.load(os.environ["MODEL"]).eval()  # type: ignore[no-untyped-call]

    def warm_up(self, instance: dict[str, Any]) -> None:
        """Answer a few times: the first ones are slow."""
        for count in (1, 2, 4, 8):
            for _ in range(WARM_UP):
                self.answer([instance] * count)

    def run(self, tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """Items and scores of a batch, whose tensors are in the order of `KINDS`."""
        # As the served configuration says: shapes vary, so specialising costs more than it saves.
        with torch.inference_mode(), torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            items, scores = self._module(*tensors)
        return items, scores

    def answer(self, instances: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Items and scores of each instance; the instances have the names of `KINDS`."""
        items, scores = self.run(
            [
                torch.tensor([each[name] for each in instances], dtype=kind)
                for name, kind in KINDS.items()
            ]
        )
        return [
            {"items": one, "scores": other}
            for one, other in zip(items.tolist(), scores.tolist(), strict=True)
        ]


def example(features: int = 3) -> dict[str, Any]:
    """A valid instance with a session."""
    return {
        "user_id": [1],
        "features": [float("nan")] * features,
        "session_items": [1] * 20,
        "session_timestamps": [100] * 20,
        "session_values": [4.0] * 20,
        "timestamp": [1000],
        "top_n": [10],
    }
