"""The files that training writes are read as they are meant: both sides count alike."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.events import Source
from recommender_serving.domain.types import Answer
from recommender_serving.monitoring.drift_features import Bins
from recommender_serving.protocols.request_limits import Limits
from recommender_serving.protocols.v1 import parse_v1
from recommender_training.artifact.reference import reference
from tests.unit.recommender_serving.serving_samples import (
    CATALOGUE,
    HISTORY_LENGTH,
    NOW,
    SHOP,
    VOCABULARY,
    sample_artifact,
)


def instances(vocabulary: dict[str, Any], seed: int, count: int = 400) -> list[dict[str, Any]]:
    """Requests as callers send them, with nulls and unknown values among them."""
    draw = random.Random(seed)

    def session() -> list[dict[str, Any]]:
        length = draw.randrange(2 * HISTORY_LENGTH)
        return [
            {
                "item": draw.randrange(CATALOGUE + 5),
                "timestamp": NOW - 100 + index // 2,
                "value": float(draw.randrange(6)),
            }
            for index in range(length)
        ]

    def value(feature: dict[str, Any]) -> Any:
        match feature["kind"]:
            case "Numeric":
                return draw.randrange(80)
            case "Boolean":
                return draw.random() < 0.3
        return draw.choice([*feature["categories"], "never seen"])

    def given(of: str) -> dict[str, Any]:
        return {
            each["name"]: value(each)
            for each in vocabulary["features"]
            if each["of"] == of and "servedAs" not in each and draw.random() < 0.9
        }

    return [
        {
            "user_id": 1,
            "timestamp": NOW,
            "session": session(),
            "user": given("user"),
            "context": given("context"),
        }
        for _ in range(count)
    ]


@pytest.mark.parametrize("vocabulary", [VOCABULARY, SHOP], ids=["movies", "shop"])
@pytest.mark.parametrize("seed", range(5))
def test_serving_the_requests_of_the_reference_gives_its_counts(
    seed: int, vocabulary: dict[str, Any], tmp_path: Path
) -> None:
    asked = instances(vocabulary, seed)
    draw = random.Random(seed)
    scores = [round(draw.random(), 3) if draw.random() < 0.9 else None for _ in asked]
    written = reference(asked, scores, vocabulary)
    artifact = sample_artifact(tmp_path, vocabulary=vocabulary, reference=written)
    bins = Bins(artifact)
    limits = Limits(features=artifact.vocabulary.features)
    counted: Counter[tuple[str, str]] = Counter()
    for instance, score in zip(asked, scores, strict=True):
        (request,) = parse_v1({"instances": [instance]}, limits, NOW)
        source = Source.BASELINE if score is None else Source.MODEL
        counted.update(bins.place(request, Answer((1,), (score or 0.0,), source)))
    assert counted == Counter({(name, place): n for name, place, n in bins.reference() if n})
    assert sum(counted.values()) == len(written["features"]) * len(asked)
