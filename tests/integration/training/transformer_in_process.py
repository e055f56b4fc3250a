"""Asks the transformer's own app, over the graphs of an artifact in place of Triton.

python -m tests.integration.training.transformer_in_process ARTIFACT < request.json
"""

from __future__ import annotations

import asyncio
import json
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recommender_serving.artifact import loader as serving
from recommender_serving.domain.types import Ranking
from recommender_serving.triton.inputs import Tensors
from recommender_training.artifact import triton
from recommender_training.export import torchscript
from tests.unit.recommender_serving.serving_fakes import FakeRanker, Parts
from tests.unit.recommender_serving.serving_served import Served


class Graph(FakeRanker):
    """The exported graph in place of Triton: the same tensors in and out."""

    def __init__(self, path: Path) -> None:
        super().__init__(lambda: Ranking((), ()))
        self._model = torchscript.load(path)

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        with torch.inference_mode():
            items, scores = self._model(*map(read, tensors))
        return Ranking(tuple(items[0].tolist()), tuple(scores[0].tolist()))


def read(tensor: Any) -> torch.Tensor:
    code = {"INT64": "q", "FP32": "f"}[tensor.datatype]
    values = struct.unpack(f"<{tensor.shape[1]}{code}", tensor.data)
    kind = {"q": np.int64, "f": np.float32}[code]
    return torch.from_numpy(np.array([values], dtype=kind))


async def ask(artifact: Path, body: Any, folder: Path) -> Any:
    graphs = [Graph(triton.model_path(artifact, name)) for name in triton.MODELS]
    parts = Parts(folder, *graphs, artifact=serving.load(artifact))
    served = await Served.opened(folder, parts)
    async with served.http:
        answer = await served.http.post("/v1/models/recommender:predict", json=body)
    return answer.raise_for_status().json()


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        answer = asyncio.run(ask(Path(sys.argv[1]), json.load(sys.stdin), Path(folder)))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
