"""An exported graph in place of Triton, behind the transformer's own app."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import torch

from recommender_serving.domain.types import Ranking
from recommender_serving.triton.inputs import Tensors
from recommender_training.export import torchscript
from tests.unit.recommender_serving.serving_fakes import FakeRanker


class Graph(FakeRanker):
    """The same tensors in and out."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__(lambda: Ranking((), ()))
        self._model = model

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        with torchscript.as_served():
            items, scores = self._model(*map(read, tensors))
        return Ranking(tuple(items[0].tolist()), tuple(scores[0].tolist()))


def read(tensor: Any) -> torch.Tensor:
    """An input of Triton as the graph takes it."""
    code = {"INT64": "q", "FP32": "f"}[tensor.datatype]
    values = struct.unpack(f"<{tensor.shape[1]}{code}", tensor.data)
    kind = {"q": np.int64, "f": np.float32}[code]
    return torch.from_numpy(np.array([values], dtype=kind))
