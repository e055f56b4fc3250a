"""Asks the transformer's own app, over the graphs of an artifact in place of Triton.

python -m tests.integration.training.transformer_in_process ARTIFACT < request.json

For a list of instances in place of a body the answer is a list, too: the prediction of each, and
null where it is refused.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from http import HTTPStatus
from pathlib import Path
from typing import Any

from recommender_serving.artifact import loader as serving
from recommender_training.artifact import triton
from recommender_training.export import torchscript
from tests.served_graph import Graph
from tests.unit.recommender_serving.serving_fakes import Parts
from tests.unit.recommender_serving.serving_served import Served

PATH = "/v1/models/recommender:predict"


async def ask(artifact: Path, body: Any, folder: Path) -> Any:
    paths = [triton.model_path(artifact, name) for name in triton.MODELS]
    graphs = [Graph(torchscript.load(path)) for path in paths]
    parts = Parts(folder, *graphs, artifact=serving.load(artifact))
    served = await Served.opened(folder, parts)
    async with served.http:
        if isinstance(body, list):
            return [await predicted(served, each) for each in body]
        answer = await served.http.post(PATH, json=body)
    return answer.raise_for_status().json()


async def predicted(served: Served, instance: Any) -> Any:
    answer = await served.http.post(PATH, json={"instances": [instance]})
    if answer.status_code == HTTPStatus.BAD_REQUEST:
        return None
    return answer.raise_for_status().json()["predictions"][0]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        answer = asyncio.run(ask(Path(sys.argv[1]), json.load(sys.stdin), Path(folder)))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
