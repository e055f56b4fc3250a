"""Assign a request and its answer to the bins of the drift features: pure."""

from __future__ import annotations

import enum
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from recommender_contract.events import Source
from recommender_serving.artifact.loader import Artifact
from recommender_serving.artifact.reference_file import (
    NULL,
    OTHER,
    UNKNOWN,
    CategoricalFeature,
    NumericFeature,
)
from recommender_serving.artifact.vocabulary import Vocabulary, last_name
from recommender_serving.domain.features import Feature, Value
from recommender_serving.domain.types import Answer, RecommendRequest, SessionEvent


class Missing(enum.StrEnum):
    """The bins of a feature without a value that the models know."""

    NULL = NULL
    UNKNOWN = UNKNOWN


#: The values of one session by drift feature: one each, but of a MultiCategorical all.
Row = dict[str, Sequence[str | float | Missing]]


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
            for place, count in feature.bins().items():
                yield feature.name, place, count

    def design_effects(self) -> dict[str, float]:
        """Return the design effect of each feature; 1 for independent sessions."""
        return {feature.name: feature.design_effect for feature in self._features}

    def missing_design_effects(self) -> dict[str, float]:
        """Return the design effect of the share of missing values of each feature."""
        return {feature.name: feature.missing_design_effect for feature in self._features}

    def place(self, request: RecommendRequest, answer: Answer) -> Iterator[tuple[str, str]]:
        """Yield one (feature, bin) per feature, of a MultiCategorical one per category."""
        row = row_of(request, answer, self._vocabulary)
        for feature in self._features:
            for value in row[feature.name]:
                if isinstance(value, Missing):
                    yield feature.name, value.value
                elif isinstance(feature, NumericFeature):
                    yield feature.name, str(bisect_right(feature.edges, float(value)))
                else:
                    yield feature.name, self._index[feature.name].get(str(value), OTHER)


def row_of(request: RecommendRequest, answer: Answer, vocabulary: Vocabulary) -> Row:
    """Compute the features of a request by the table of docs/contracts.md.

    Only events strictly earlier than the request count, as in training.
    """
    earlier = [event for event in request.session if event.timestamp < request.timestamp]
    session = earlier[-vocabulary.history_length :]
    known = [event.value for event in session if event.value != 0.0]
    row: Row = {
        name: _seen(request.features.get(name), feature, request.timestamp)
        for name, feature in vocabulary.features.items()
        if feature.served_as is None
    }
    row["session_length"] = (float(len(session)),)
    row["mean_value"] = (sum(known) / len(known) if known else Missing.NULL,)
    by_model = answer.source is Source.MODEL
    row["top_score"] = (answer.scores[0] if by_model else Missing.NULL,)
    return row | _last(_newest(session), vocabulary)


def _newest(session: Sequence[SessionEvent]) -> int | None:
    """Return the newest item; of those of one second that with the largest id.

    A page shows several items at once, whose order in a request is not that of the log.
    """
    if not session:
        return None
    return max(session, key=lambda event: (event.timestamp, event.item)).item


def _seen(value: Value | None, feature: Feature, now: int) -> Sequence[str | float | Missing]:
    """Return the value as the models see it at the time of the request."""
    if value is None:
        return (Missing.NULL,)
    return [Missing.UNKNOWN if each is None else each for each in feature.seen(value, now)]


def _last(item: int | None, vocabulary: Vocabulary) -> Row:
    """Return the features of the newest item of the session."""
    if item is None:
        return {last_name(each.name): (Missing.NULL,) for each in vocabulary.items.features}
    return {
        last_name(name): (Missing.UNKNOWN if category is None else category,)
        for name, category in vocabulary.items.first_categories(item).items()
    }
