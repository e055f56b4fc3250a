"""What fixes the shapes of the ranker's weights."""

from __future__ import annotations

from dataclasses import dataclass

from recommender_training.features.overlap_features import Overlap
from recommender_training.models.request_embeddings import Spans


@dataclass(frozen=True)
class RankerSize:
    """Sizes and settings of a ranker."""

    users: int
    side: tuple[int, ...]  # buckets of each declared feature of user and context
    embedding_dim: int
    dropout: float
    user_dropout: float
    spans: Spans = ()  # lanes and numbers of each of these features
    matches: tuple[Overlap, ...] = ()  # of these features and those of items
