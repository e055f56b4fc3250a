"""Assign a request and its answer to the bins of the drift features: pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

from recommender_serving.artifact.file_schemas import CategoricalFeature, NumericFeature
from recommender_serving.artifact.loader import Artifact, Vocabulary
from recommender_serving.domain.types import Answer, RecommendRequest, Source

NULL = "null"
UNKNOWN = "unknown"
NO_CATEGORY = "\0"  # in no list of categories, so it counts as unknown


@dataclass(frozen=True, slots=True)
class Row:
    """The features of one session as served; None means null."""

    age: int | None
    gender: str | None
    occupation: str | None
    session_length: int
    mean_value: float | None
    last_genre: str | None
    top_score: float | None


class Bins:
    """The bins of an artifact's reference, and the assignment of rows to them."""

    def __init__(self, artifact: Artifact) -> None:
        self._vocabulary = artifact.vocabulary
        self._features = tuple(artifact.reference.features)
        self._index: dict[str, dict[str, str]] = {
            feature.name: {name: str(i) for i, name in enumerate(feature.categories)}
            for feature in self._features
            if isinstance(feature, CategoricalFeature)
        }

    def reference(self) -> Iterator[tuple[str, str, int]]:
        """Yield (feature, bin, count of the training window) of every bin."""
        for feature in self._features:
            for index, count in enumerate(feature.counts):
                yield feature.name, str(index), count
            yield feature.name, NULL, feature.nulls
            yield feature.name, UNKNOWN, feature.unknowns

    def design_effects(self) -> dict[str, float]:
        """Return the design effect of each feature; 1 for independent sessions."""
        return {feature.name: feature.design_effect for feature in self._features}

    def place(self, request: RecommendRequest, answer: Answer) -> Iterator[tuple[str, str]]:
        """Yield one (feature, bin) per feature."""
        row = row_of(request, answer, self._vocabulary)
        for feature in self._features:
            value = getattr(row, feature.name)
            if value is None:
                yield feature.name, NULL
            elif isinstance(feature, NumericFeature):
                yield feature.name, str(bisect_right(feature.edges, value))
            else:
                yield feature.name, self._index[feature.name].get(value, UNKNOWN)


def row_of(request: RecommendRequest, answer: Answer, vocabulary: Vocabulary) -> Row:
    """Compute the features of a request by the table of docs/contracts.md.

    Only events strictly earlier than the request count, as in training.
    """
    earlier = [event for event in request.session if event.timestamp < request.timestamp]
    session = earlier[-vocabulary.history_length :]
    known = [event.value for event in session if event.value != 0.0]
    genre = None
    if session:
        genre = vocabulary.genre_of.get(session[-1].item) or NO_CATEGORY
    return Row(
        age=request.age,
        gender=_known(request.gender, vocabulary.genders),
        occupation=_known(request.occupation, vocabulary.occupations),
        session_length=len(session),
        mean_value=sum(known) / len(known) if known else None,
        last_genre=genre,
        top_score=answer.scores[0] if answer.source is Source.MODEL else None,
    )


def _known(name: str | None, names: dict[str, int]) -> str | None:
    """Return the category as the model sees it: only those in its vocabulary."""
    return name if name is None or name in names else NO_CATEGORY
