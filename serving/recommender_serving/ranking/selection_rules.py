"""Apply the selection of a request to ranked items: pure."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable

from recommender_serving.artifact.vocabulary import ItemFeature, Items, Vocabulary
from recommender_serving.domain.selection import Rules
from recommender_serving.domain.types import Past, RecommendRequest, SessionEvent
from recommender_serving.ranking.list_composition import Composer, Pair

#: Items that a restricted request asks of a model. The graphs of catalogues of up to 2,000 items
#: score every item, so that such a request sees all of them; those of larger ones score their
#: candidate items, 500 unless the resource says otherwise.
DEPTH = 2_000

Pairs = Iterable[Pair]


def depth_of(
    request: RecommendRequest, vocabulary: Vocabulary, limited: bool = False, further: int = 0
) -> int:
    """Return how many items to ask of a model, so that enough are left, and so many `further`.

    Lists with limits of the resource need items to choose from.
    """
    most = max(request.top_n, min(len(vocabulary.items.rows), DEPTH))
    if limited or request.selection.restricts:
        return most
    return min(most, request.top_n + len(request.past.items) + further)


def withheld(
    session: Iterable[SessionEvent], now: int, repeat_after: int | None
) -> frozenset[int]:
    """Return the items of a session that may not come again yet; the graphs have the same rule.

    That is for `repeat_after` seconds since an item's newest event, and for ever if it is None. An
    event that is later than the request is as young as one can be.
    """
    return frozenset(
        event.item
        for event in session
        if repeat_after is None or max(0, now - event.timestamp) < repeat_after
    )


def with_whole_session(request: RecommendRequest, vocabulary: Vocabulary) -> RecommendRequest:
    """Return the request with what the models may not leave out among what its user knows.

    They read the last `history_length` events of a session, and withhold items of these alone.
    Seeds are events to them, but never wanted, although other items may come again.
    """
    older = request.session[: -vocabulary.history_length]
    added = withheld(older, request.timestamp, vocabulary.repeat_after)
    if vocabulary.repeat_after is not None:
        added = added.union(request.selection.seeds)
    if not added:
        return request
    return dataclasses.replace(
        request, past=Past(request.past.known | added, request.past.unwanted)
    )


def select(
    pairs: Pairs, request: RecommendRequest, items: Items, composer: Composer | None = None
) -> list[Pair]:
    """Return the wanted items with their scores, at most `top_n`.

    They are in their order, but for what the limits of lists change.
    """
    fits = fitting(request, items)
    wanted = (pair for pair in pairs if fits(pair[0]))
    if composer is not None and composer.limits:
        return composer.compose(list(wanted), request.top_n)
    return list(itertools.islice(wanted, request.top_n))


def rest_of_candidates(
    request: RecommendRequest, chosen: Iterable[int], vocabulary: Vocabulary
) -> list[Pair]:
    """Return the candidates that are not chosen yet, in the order of the request, scored 0.

    A model may not know them, or not score them in a large catalogue.
    """
    taken = withheld(request.session, request.timestamp, vocabulary.repeat_after).union(chosen)
    left = [(item, 0.0) for item in request.selection.candidates if item not in taken]
    return select(left, request, vocabulary.items)


def fitting(request: RecommendRequest, items: Items) -> Callable[[int], bool]:
    """Return the test whether an item is wanted, and not to be left out for its user's past."""
    selection, hidden = request.selection, request.past.items
    if not selection.restricts:
        return lambda item: item not in hidden
    candidates, excluded = frozenset(selection.candidates), selection.excluded | hidden
    allow, deny = _columns(selection.allow, items), _columns(selection.deny, items)

    def fits(item: int) -> bool:
        if item in excluded or (candidates and item not in candidates):
            return False
        row = items.rows.row_of(item)
        return all(
            any(map(has, feature.categories_of(row))) for feature, has in allow
        ) and not any(any(map(has, feature.categories_of(row))) for feature, has in deny)

    return fits


def _columns(rules: Rules, items: Items) -> list[tuple[ItemFeature, Callable[[str], bool]]]:
    """Return the feature of each rule, and the test whether a category is listed."""
    by_name = {feature.name: feature for feature in items.features}
    return [(by_name[name], values.__contains__) for name, values in rules.items()]
