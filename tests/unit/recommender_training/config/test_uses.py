"""What a feature may be used for follows from its kind and its table."""

from __future__ import annotations

import re
from typing import Any

import pytest

from recommender_training.config.declaration import Declaration

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
            "items.it: segments is a setting of users: remove it",
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
        Declaration.model_validate(declared)
