"""Random lists, and the best lists of a catalogue."""

from __future__ import annotations

import asyncio
import pathlib

import pytest

from recommender_client import Query
from recommender_client.values import Id
from recommender_simulate.catalogue import RANDOM, AtRandom, Best
from recommender_simulate.click_memory import Memory
from recommender_simulate.driver import Truth
from recommender_simulate.population import named
from recommender_simulate.user_tastes import Tastes

ITEMS = named(40, "item-")
USERS = named(30, "user-")
TRUTH = Truth()
SIZE = 10


def best(last: int = 5) -> Best:
    return Best(ITEMS, TRUTH.tastes, Memory(last))


def test_random_lists_have_different_items_of_the_catalogue() -> None:
    endpoint = AtRandom(ITEMS, seed=3)
    first = asyncio.run(endpoint.recommend(Query(user_id="user-1", top_n=7)))
    second = asyncio.run(endpoint.recommend(Query(user_id="user-1", top_n=7)))
    assert len(set(first.items)) == 7
    assert set(first.items) <= set(ITEMS)
    assert first.items != second.items
    assert first.request_id != second.request_id
    assert first.version == RANDOM


def test_a_random_list_of_few_items_has_them_all() -> None:
    answer = asyncio.run(AtRandom(ITEMS[:3], seed=1).recommend(Query(user_id="u", top_n=10)))
    assert set(answer.items) == set(ITEMS[:3])


def test_no_list_is_truly_better_than_the_best_one() -> None:
    endpoint, perfect = AtRandom(ITEMS, seed=3), best()
    for user in USERS:
        answer = asyncio.run(endpoint.recommend(Query(user_id=user, top_n=SIZE)))
        worth = TRUTH.worth(user, answer, perfect.of(user, SIZE))
        assert worth.best is not None
        assert worth.expected <= worth.best


def test_the_best_list_leaves_out_what_the_user_clicked_on_last() -> None:
    perfect = best(last=5)
    first = perfect.of("user-1", SIZE)
    for item in first[:6]:
        perfect.memory.clicked("user-1", item)
    later = perfect.of("user-1", SIZE)
    assert later[0] == first[0], "five clicks ago it is forgotten"
    assert not set(later) & set(first[1:6])
    assert len(later) == SIZE
    chances = [TRUTH.tastes.chance("user-1", item) for item in later]
    assert chances == sorted(chances, reverse=True)
    assert perfect.of("user-2", SIZE) == best().of("user-2", SIZE)


def test_no_request_waits_for_tastes_once_the_users_are_prepared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    perfect, expected = best(), best().of("user-1", SIZE)
    perfect.prepare(USERS, SIZE)

    def compared(*_: object) -> float:
        raise AssertionError("computed while a request waits")

    monkeypatch.setattr(Tastes, "chance", compared)
    assert perfect.of("user-1", SIZE) == expected


def test_a_memory_continues_where_the_last_run_ended(tmp_path: pathlib.Path) -> None:
    before, after = Memory(2), Memory(2)
    users: tuple[Id, ...] = ("u", 7)
    for user in users:
        for item in ("a", "b", 3):
            before.clicked(user, item)
    before.save(tmp_path / "clicks.json")
    after.load(tmp_path / "clicks.json")
    assert after.of("u") == after.of(7) == {"b", 3}
    assert after.of("7") == set(), "a number is no text"


@pytest.mark.parametrize("text", ["", "{", "[1]", "[[1]]", "[[[], [1]]]"])
def test_a_file_that_is_no_memory_is_refused_by_name(text: str, tmp_path: pathlib.Path) -> None:
    path = tmp_path / "clicks.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"clicks\.json is no memory of clicks"):
        Memory().load(path)


def test_tastes_of_the_best_lists_are_those_of_the_users() -> None:
    others = Best(ITEMS, Tastes(seed=2), Memory())
    assert others.of("user-1", SIZE) != best().of("user-1", SIZE)
