"""The variable of the transformer with the limits of lists."""

from __future__ import annotations

import json

from recommender_operator.api.spec_serving import ServingSpec
from recommender_operator.resources.labels import Manifest


def list_limits(serving: ServingSpec) -> list[Manifest]:
    """Return it if there is a limit."""
    limits = serving.model_dump(
        mode="json", by_alias=True, exclude_defaults=True, include={"diversity", "exposure"}
    )
    if not limits:
        return []
    return [{"name": "RECOMMENDER_LIST_LIMITS", "value": json.dumps(limits, sort_keys=True)}]
