"""No answer has an item that its request does not want, whatever answers."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.domain.selection import Selection
from recommender_serving.domain.types import Answer, FallReason, Past, RankerError, Ranking
from recommender_serving.ranking.fallback_chain import popular
from recommender_serving.ranking.selection_rules import fitting, rest_of_candidates, select
from tests.unit.recommender_serving.serving_fakes import (
    ALL,
    PLAIN,
    Parts,
    Watching,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_samples import (
    CATALOGUE,
    GENRES,
    VOCABULARY,
    further,
    request,
    session,
    vocabulary_of,
)

KNOWN = vocabulary_of(VOCABULARY)
ITEMS = KNOWN.items
UNKNOWN = 1000  # an item that the catalogue does not have


def genre(item: int) -> str | None:
    return GENRES[item % 3] if item < CATALOGUE else None


async def answer(folder: Path, selection: Selection, top_n: int = 5) -> tuple[Answer, int]:
    model = Watching()
    parts = Parts(folder, model, giving(PLAIN))
    found = await parts.chain.answer(request(selection=selection, top_n=top_n))
    return found, model.wanted


numbers = st.integers(0, CATALOGUE + 3)
genres = st.frozensets(st.sampled_from([*GENRES, "unheard"]), min_size=1)
rules = st.fixed_dictionaries({}, optional={"genre": genres})
selections = st.builds(
    Selection,
    candidates=st.lists(numbers, max_size=8, unique=True).map(tuple),
    excluded=st.frozensets(numbers, max_size=8),
    allow=rules,
    deny=rules,
)


@given(selections, st.integers(1, 10))
def test_every_wish_holds_for_every_item(selection: Selection, top_n: int) -> None:
    asked = request(selection=selection, top_n=top_n)
    pairs = list(zip(ALL.items, ALL.scores, strict=True))
    chosen = select(pairs, asked, ITEMS)

    def wanted(item: int) -> bool:
        return (
            (not selection.candidates or item in selection.candidates)
            and item not in selection.excluded
            and all(genre(item) in values for values in selection.allow.values())
            and not any(genre(item) in values for values in selection.deny.values())
        )

    assert chosen == [pair for pair in pairs if wanted(pair[0])][:top_n]
    rest = rest_of_candidates(asked, [item for item, _ in chosen], KNOWN)
    assert all(wanted(item) for item, _ in rest)


catalogues = st.lists(
    st.lists(st.sampled_from(range(3)), max_size=3, unique=True), min_size=1, max_size=8
)


@given(catalogues, rules, rules)
def test_rules_look_at_every_category_of_an_item(
    catalogue: list[list[int]], allow: dict[str, frozenset[str]], deny: dict[str, frozenset[str]]
) -> None:
    items = vocabulary_of(VOCABULARY | {"items": further({"genre": (GENRES, catalogue)})}).items
    fits = fitting(
        request(selection=Selection(excluded=frozenset({99}), allow=allow, deny=deny)), items
    )
    for item, codes in enumerate(catalogue):
        own = {GENRES[code] for code in codes}
        assert fits(item) == (
            all(own & values for values in allow.values())
            and not any(own & values for values in deny.values())
        )


def test_an_item_without_a_category_fits_no_allow_and_every_deny() -> None:
    values = frozenset(GENRES)
    assert not fitting(request(selection=Selection(allow={"genre": values})), ITEMS)(UNKNOWN)
    assert fitting(request(selection=Selection(deny={"genre": values})), ITEMS)(UNKNOWN)


async def test_a_restricted_request_asks_for_the_whole_catalogue(tmp_path: Path) -> None:
    found, wanted = await answer(tmp_path, Selection(allow={"genre": frozenset({"drama"})}))
    assert wanted == CATALOGUE
    assert found.items == (2, 5, 8, 11, 14)
    assert found.source is Source.MODEL


async def test_other_requests_ask_for_what_they_want(tmp_path: Path) -> None:
    found, wanted = await answer(tmp_path, Selection(seeds=(40,)))
    assert (wanted, found.items) == (5, (0, 1, 2, 3, 4))


async def test_candidates_are_ranked_and_unknown_ones_follow_in_their_order(
    tmp_path: Path,
) -> None:
    candidates = (UNKNOWN + 1, 9, UNKNOWN, 3)
    found, _ = await answer(tmp_path, Selection(candidates=candidates))
    assert found.items == (3, 9, UNKNOWN + 1, UNKNOWN)
    assert found.scores == (ALL.scores[3], ALL.scores[9], 0.0, 0.0)
    few, _ = await answer(tmp_path, Selection(candidates=candidates), top_n=3)
    assert few.items == found.items[:3]


async def test_a_candidate_of_the_session_or_excluded_does_not_come_back(tmp_path: Path) -> None:
    parts = Parts(tmp_path, giving(Ranking((8,), (0.5,))), giving(PLAIN))
    wish = Selection(candidates=(7, 8, 9), excluded=frozenset({9}))
    found = await parts.chain.answer(request(selection=wish, session=session(7)))
    assert found.items == (8,)


async def test_popular_items_answer_if_the_model_has_none_that_is_wanted(tmp_path: Path) -> None:
    model = giving(Ranking((1, 4), (0.9, 0.8)))  # two comedies
    parts = Parts(tmp_path, model, failing(AssertionError("not asked")))
    wish = Selection(deny={"genre": frozenset({"comedy"})})
    found = await parts.chain.answer(request(selection=wish))
    assert (found.items, found.source) == ((8, 9, 11), Source.POPULARITY)
    for reason in FallReason:  # the model did not fail
        assert parts.value("recommender_fallbacks_total", reason=reason) == 0


@pytest.mark.parametrize("wish", [Selection(allow={"genre": frozenset({"unheard"})})])
async def test_a_wish_that_no_item_fits_gets_an_empty_answer(
    tmp_path: Path, wish: Selection
) -> None:
    found, _ = await answer(tmp_path, wish)
    assert (found.items, found.scores) == ((), ())


async def test_candidates_that_the_model_did_not_score_have_no_probability(
    tmp_path: Path,
) -> None:
    parts = Parts(tmp_path, giving(Ranking((9, 3), (0.7, 0.2))), giving(PLAIN))
    asked = request(selection=Selection(candidates=(UNKNOWN, 9, 3, UNKNOWN + 1)), top_n=4)
    found = await parts.chain.answer(asked)
    assert found.scores == (0.7, 0.2, 0, 0)
    assert found.probabilities == (0.7, 0.2)


async def test_candidates_are_answered_when_no_model_is(tmp_path: Path) -> None:
    broken = failing(RankerError(FallReason.ERROR))
    parts = Parts(tmp_path, broken, broken)
    found = await parts.chain.answer(request(selection=Selection(candidates=(40, 8, 41))))
    assert (found.items, found.source) == ((8, 40, 41), Source.POPULARITY)


@pytest.mark.parametrize("wish", [Selection(seeds=(1,)), Selection(excluded=frozenset({1}))])
async def test_a_request_with_wishes_is_no_session_of_the_drift_counts(
    tmp_path: Path, wish: Selection
) -> None:
    parts = Parts(tmp_path, giving(ALL), giving(PLAIN))
    await parts.recommender.recommend([request(selection=wish)])
    assert parts.value("recommender_sessions_total") == 0
    await parts.recommender.recommend([request()])
    assert parts.value("recommender_sessions_total") == 1


pasts = st.builds(
    Past, known=st.frozensets(numbers, max_size=20), unwanted=st.frozensets(numbers, max_size=5)
)


@given(selections, pasts, st.integers(1, 10))
def test_what_a_user_knows_does_not_come_back_from_a_model(
    selection: Selection, past: Past, top_n: int
) -> None:
    """Whatever else the request wants."""
    asked = request(selection=selection, past=past, top_n=top_n)
    pairs = list(zip(ALL.items, ALL.scores, strict=True))
    chosen = select(pairs, asked, ITEMS)
    without = request(selection=selection, top_n=CATALOGUE)
    left = [pair for pair in select(pairs, without, ITEMS) if pair[0] not in past.items]
    assert chosen == left[:top_n]
    rest = rest_of_candidates(asked, (), KNOWN)
    assert not past.items.intersection(item for item, _ in rest)


@pytest.mark.parametrize("models", [0, 1, 2])
async def test_what_a_user_knows_does_not_come_back_whatever_answers(
    tmp_path: Path, models: int
) -> None:
    broken = failing(RankerError(FallReason.ERROR))
    rankers = [*([broken] * (2 - models)), *([Watching()] * models)]
    parts = Parts(tmp_path, *rankers)
    asked = request(past=Past(frozenset({0, 1, 7}), frozenset({2, 8})), top_n=3)
    found = await parts.chain.answer(asked)
    assert found.source is [Source.POPULARITY, Source.BASELINE, Source.MODEL][models]
    assert found.items == ((3, 4, 5) if models else (9, 10, 11))


async def test_a_model_is_asked_for_as_many_items_more_as_may_be_left_out(tmp_path: Path) -> None:
    model = Watching()
    parts = Parts(tmp_path, model, giving(PLAIN))
    past = Past(frozenset({0, 1, 2}), frozenset({2, 3}))
    found = await parts.chain.answer(request(past=past, top_n=4))
    assert (model.wanted, found.items) == (4 + 4, (4, 5, 6, 7))
    many = Past(frozenset(range(5, 5 + CATALOGUE)))
    await parts.chain.answer(request(past=many, top_n=4))
    assert model.wanted == CATALOGUE


@given(pasts)
def test_known_items_are_better_than_none_and_unwanted_ones_are_not(past: Past) -> None:
    listed = tuple((item, 1 / (1 + item)) for item in range(6))
    found = [item for item, _ in popular(listed, request(past=past, top_n=6), KNOWN)]
    fresh = [item for item, _ in listed if item not in past.known]
    assert found == [item for item in fresh or range(6) if item not in past.unwanted]


async def test_a_session_of_a_user_with_a_past_counts_for_drift(tmp_path: Path) -> None:
    """The past is no selection of the request."""
    parts = Parts(tmp_path, Watching(), giving(PLAIN))
    await parts.recommender.recommend([request(past=Past(frozenset({0})), session_id="s")])
    assert parts.value("recommender_sessions_total") == 1
