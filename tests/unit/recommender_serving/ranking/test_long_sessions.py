"""No item of a request's session comes back, though the models read its newest events alone."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import Source
from recommender_serving.domain.selection import Selection
from recommender_serving.domain.types import FallReason, Past, RankerError, Ranking
from recommender_serving.ranking.selection_rules import with_whole_session
from recommender_serving.triton.inputs import Tensors
from tests.unit.recommender_serving.serving_fakes import (
    ALL,
    PLAIN,
    FakeRanker,
    Parts,
    failing,
    giving,
)
from tests.unit.recommender_serving.serving_samples import (
    CATALOGUE,
    HISTORY_LENGTH,
    VOCABULARY,
    request,
    session,
    vocabulary_of,
)


class Graph(FakeRanker):
    """Leaves out the items of the session that it is given, as an exported graph does."""

    def __init__(self) -> None:
        super().__init__(lambda: ALL)
        self.wanted = 0

    async def rank(self, tensors: Tensors, top_n: int, timeout: float) -> Ranking:
        self.wanted = top_n
        (read,) = (each for each in tensors if each.name == "session_items")
        assert read.shape[1] <= HISTORY_LENGTH
        seen = struct.unpack(f"<{read.shape[1]}q", read.data)
        left = [pair for pair in self.behaviour().pairs if pair[0] not in seen][:top_n]
        items, scores = zip(*left, strict=True) if left else ((), ())
        return Ranking(items, scores)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("artifact")


numbers = st.integers(0, CATALOGUE - 1)
#: Longer than the models read, but not the whole catalogue.
sessions = st.lists(numbers, max_size=CATALOGUE - 1)


@given(seen=sessions, top_n=st.integers(1, 20), pool=st.sampled_from([0, 3]))
def test_the_best_items_that_the_session_has_not_are_the_answer(
    folder: Path, seen: list[int], top_n: int, pool: int
) -> None:
    parts = Parts(folder, Graph(), giving(PLAIN), pool=pool)
    found = asyncio.run(parts.chain.answer(request(session=session(*seen), top_n=top_n)))
    left = [item for item in range(CATALOGUE) if item not in seen]
    assert (list(found.items), found.source) == (left[:top_n], Source.MODEL)
    assert not set(seen).intersection(item for item, _ in found.pool)


async def test_a_model_is_asked_for_as_many_items_more_as_it_does_not_leave_out_itself(
    folder: Path,
) -> None:
    model = Graph()
    parts = Parts(folder, model, giving(PLAIN))
    for length, more in [(0, 0), (HISTORY_LENGTH, 0), (HISTORY_LENGTH + 7, 7)]:
        await parts.chain.answer(request(session=session(*range(length)), top_n=4))
        assert model.wanted == 4 + more


@pytest.mark.parametrize("model", [giving(Ranking((7, 8), (0.9, 0.8))), Graph()])
async def test_a_candidate_of_a_long_session_does_not_come_back(
    folder: Path, model: FakeRanker
) -> None:
    wish = Selection(candidates=(7, 8))
    long = session(7, *range(20, 20 + HISTORY_LENGTH))
    found = await Parts(folder, model, giving(PLAIN)).chain.answer(
        request(selection=wish, session=long)
    )
    assert found.items == (8,)


async def test_after_the_whole_catalogue_known_items_are_better_than_none(folder: Path) -> None:
    parts = Parts(folder, Graph(), failing(RankerError(FallReason.ERROR)))
    asked = request(session=session(*range(CATALOGUE)), past=Past(unwanted=frozenset({7})))
    found = await parts.chain.answer(asked)
    assert (found.items, found.source) == ((8, 9, 10), Source.POPULARITY)


def test_a_session_that_the_models_read_as_a_whole_changes_nothing() -> None:
    asked = request(session=session(*range(HISTORY_LENGTH)))
    assert with_whole_session(asked, vocabulary_of(VOCABULARY)) is asked
