"""A custom runtime of MLServer with torch in the process; `mlserver start FOLDER` loads it."""

from __future__ import annotations

import torch
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from serving_torch import KINDS, Graph, example  # type: ignore[import-not-found]  # lies beside


class Recommender(MLModel):  # type: ignore[misc]
    """Answers v2 requests."""

    async def load(self) -> bool:
        """Load and warm up."""
        self._graph = Graph()
        self._graph.warm_up(example())
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer a request, or a batch that MLServer has merged."""
        given = {each.name: NumpyCodec.decode_input(each) for each in payload.inputs}
        items, scores = self._graph.run(
            [torch.tensor(given[name], dtype=kind) for name, kind in KINDS.items()]
        )
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                NumpyCodec.encode_output("items", items.numpy()),
                NumpyCodec.encode_output("scores", scores.numpy()),
            ],
        )
