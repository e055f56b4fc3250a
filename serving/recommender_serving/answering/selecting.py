"""Apply the wishes of a request to ranked items: pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from recommender_serving.artifact.vocabulary import Items, Vocabulary
from recommender_serving.domain.rows import ABSENT
from recommender_serving.domain.selection import Rules
from recommender_serving.domain.types import RecommendRequest

#: Items that a restricted request asks of a model. The graphs of catalogues of up to 2,000 items
#: score every item, so that such a request sees all of them; those of larger ones score their
#: candidate items, 500 unless the resource says otherwise.
DEPTH = 2_000

Pairs = Iterable[tuple[int, float]]


def depth_of(request: RecommendRequest, vocabulary: Vocabulary) -> int:
    """Return how many items to ask of a model, so that enough are left."""
    most = max(request.top_n, min(len(vocabulary.items.rows), DEPTH))
    if request.selection.restricts:
        return most
    return min(most, request.top_n + len(request.past.items))


def select(pairs: Pairs, request: RecommendRequest, items: Items) -> list[tuple[int, float]]:
    """Return the wanted items with their scores, in order, at most `top_n`."""
    fits = fitting(request, items)
    chosen: list[tuple[int, float]] = []
    for pair in pairs:
        if len(chosen) == request.top_n:
            break
        if fits(pair[0]):
            chosen.append(pair)
    return chosen


def rest_of_candidates(
    request: RecommendRequest, chosen: Iterable[int], items: Items
) -> list[tuple[int, float]]:
    """Return the candidates that are not chosen yet, in the order of the request, scored 0.

    A model may not know them, or not score them in a large catalogue.
    """
    taken = {event.item for event in request.session} | set(chosen)
    left = [(item, 0.0) for item in request.selection.candidates if item not in taken]
    return select(left, request, items)


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
        return all(category(item) in values for category, values in allow) and not any(
            category(item) in values for category, values in deny
        )

    return fits


def _columns(
    rules: Rules, items: Items
) -> list[tuple[Callable[[int], str | None], frozenset[str]]]:
    by_name = {feature.name: feature for feature in items.features}

    def category_of(name: str) -> Callable[[int], str | None]:
        feature = by_name[name]

        def category(item: int) -> str | None:
            row = items.rows.of(item)
            code = ABSENT if row == ABSENT else feature.primary[row]
            return feature.categories[code] if code >= 0 else None

        return category

    return [(category_of(name), values) for name, values in rules.items()]
