"""Requests to another version, and its answers, in the form of the v1 protocol: pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from recommender_contract.headers import ID_HEADER
from recommender_serving.experiments.http_peer import Response
from recommender_serving.protocols.v2_messages import request_id

#: Names of this version; another model has another route.
PREDICT = "/v1/models/{}:predict"
INFER = "/v2/models/{}/infer"
JSON, RAW = "application/json", "application/octet-stream"


def part_of(body: object, places: Sequence[int]) -> bytes:
    """Return the body with these instances of a valid body."""
    assert isinstance(body, Mapping)
    return orjson.dumps({"instances": [body["instances"][place] for place in places]})


def id_header(id_: str) -> dict[str, str]:
    """Return the header, unless the id of a body has characters that no header can have."""
    return {ID_HEADER: id_} if request_id(id_) == id_ else {}


def predictions_of(count: int, response: Response) -> list[dict[str, Any]]:
    """Return the predictions of an answer.

    Raises:
        ValueError: it has none, or not so many.
    """
    found = orjson.loads(response.body)
    predictions = found.get("predictions") if isinstance(found, dict) else None
    if (
        not isinstance(predictions, list)
        or len(predictions) != count
        or not all(isinstance(each, dict) and "version" in each and "source" in each
                   for each in predictions)
    ):  # fmt: skip
        raise ValueError("no predictions")
    return predictions
