"""What a feature may be used for follows from its kind and its table."""

from __future__ import annotations

import re
from typing import Any

import pytest

from recommender_training.config.feature_schema import FeatureSchema

WORDS = {"name": "it", "kind": "MultiCategorical", "segments": True}


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"items": [WORDS]}, "segments needs one category or band, not MultiCategorical"),
        (
            {"items": [WORDS | {"kind": "Embedding", "length": 2}]},
            "segments needs one category or band, not Embedding",
        ),
        (
            {"items": [WORDS | {"kind": "Categorical"}]},
            "items.it: segments is a setting of users and context: remove it",
        ),
        (
            {"users": [WORDS | {"kind": "Categorical", "hashBuckets": 5}]},
            "segments needs categories, and hashBuckets=5 mixes them",
        ),
    ],
)
def test_segments_of_what_is_no_group_of_users_are_refused(
    declared: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        FeatureSchema.model_validate(declared)


def test_the_lists_of_a_context_fit_an_event() -> None:
    vectors = [{"name": f"v{n}", "kind": "Embedding", "length": 1024} for n in range(4)]
    FeatureSchema.model_validate({"context": vectors})
    words = {"name": "words", "kind": "MultiCategorical"}
    with pytest.raises(ValueError, match="maxPerRow and length sum to 4112, more than 4096"):
        FeatureSchema.model_validate({"context": [*vectors, words]})
    FeatureSchema.model_validate({"context": vectors, "users": [words]})
