from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import NEITHER, OWN, THEIRS
from recommender_serving.domain import team_draft as drafting
from recommender_serving.domain.team_draft import Draft, team_draft
from tests.interleaving_vectors import vectors

SALTS = st.text(max_size=20)
RANKINGS = st.lists(st.integers(0, 30), unique=True, max_size=15)


def draft(own: list[int], theirs: list[int], length: int, salt: str) -> Draft:
    """Scores tell of which ranking an item came."""
    return team_draft([(i, 1.0) for i in own], [(i, 2.0) for i in theirs], length, salt)


@given(RANKINGS, RANKINGS, st.integers(0, 20), SALTS)
def test_a_list_is_as_long_as_both_rankings_allow_and_has_each_item_once(
    own: list[int], theirs: list[int], length: int, salt: str
) -> None:
    items, scores, teams = draft(own, theirs, length, salt)
    assert len(items) == len(set(items)) == len(scores) == len(teams)
    assert len(items) == min(length, len({*own, *theirs}))
    assert {*items} <= {*own, *theirs}


@given(RANKINGS, RANKINGS, st.integers(0, 20), SALTS)
def test_each_team_gives_its_best_items_with_its_scores(
    own: list[int], theirs: list[int], length: int, salt: str
) -> None:
    items, scores, teams = draft(own, theirs, length, salt)
    for place, (item, score, team) in enumerate(zip(items, scores, teams, strict=True)):
        ranking = own if score == 1 else theirs
        assert item == next(i for i in ranking if i not in items[:place])
        assert team in {1: (OWN, NEITHER), 2: (THEIRS, NEITHER)}[int(score)]


@given(RANKINGS, RANKINGS, st.integers(0, 20), SALTS)
def test_both_teams_have_as_many_items_at_every_even_place(
    own: list[int], theirs: list[int], length: int, salt: str
) -> None:
    teams = draft(own, theirs, length, salt).teams
    for place in range(0, len(teams) + 1, 2):
        assert teams[:place].count(OWN) == teams[:place].count(THEIRS)
    # Once one ranking has no item left, no later one belongs to a team.
    assert OWN not in teams.lstrip(OWN + THEIRS)
    assert THEIRS not in teams.lstrip(OWN + THEIRS)


@given(RANKINGS, st.integers(0, 20), SALTS)
def test_rankings_that_agree_leave_the_list_as_it_is(
    ranking: list[int], length: int, salt: str
) -> None:
    assert list(draft(ranking, ranking, length, salt).items) == ranking[:length]


@pytest.mark.parametrize("length", [4, 5])
def test_half_of_all_salts_let_either_choose_first_in_each_round_anew(length: int) -> None:
    drafts = [
        draft(list(range(10)), list(range(20, 30)), length, f"0a1b2c3d:{i}:7").teams
        for i in range(4000)
    ]
    for place in range(length):
        share = sum(teams[place] == OWN for teams in drafts) / len(drafts)
        assert share == pytest.approx(0.5, abs=0.03)
    same = sum(teams[0] == teams[2] for teams in drafts) / len(drafts)
    assert same == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("salt", "items", "teams"), vectors())
def test_lists_are_mixed_as_the_contract_says(salt: str, items: list[int], teams: str) -> None:
    found = draft([1, 2, 3, 4, 5], [11, 12, 13, 14, 15], 5, salt)
    assert (list(found.items), found.teams) == (items, teams)


def test_the_salt_alone_decides_the_coins() -> None:
    first = draft([1, 2, 3], [7, 8, 9], 3, "0a1b2c3d:r1:42")
    assert first == draft([1, 2, 3], [7, 8, 9], 3, "0a1b2c3d:r1:42")
    others = {draft([1, 2, 3], [7, 8, 9], 3, f"0a1b2c3d:r{i}:42").teams for i in range(50)}
    assert others == {"ABA", "ABB", "BAA", "BAB"}


@pytest.mark.parametrize("count", range(4))
@pytest.mark.parametrize("length", range(1, 7))
def test_over_all_coins_either_version_has_each_place_as_often(
    count: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in the last round of a ranking that is shorter, or has the same items."""
    own = list(range(count))
    rankings = (each for n in range(4) for each in itertools.permutations((0, 1, 2, 8, 9), n))
    for theirs in rankings:
        places: Counter[tuple[int, str]] = Counter()
        for coins in itertools.product((0, 1), repeat=3):
            monkeypatch.setattr(drafting, "_coins", lambda _, coins=coins: iter(coins))
            places.update(enumerate(draft(own, list(theirs), length, "").teams))
        assert all(places[n, OWN] == places[n, THEIRS] for n in range(length)), theirs


@pytest.mark.parametrize("salt", [f"{i}" for i in range(20)])
def test_where_only_one_may_choose_first_no_place_belongs_to_either(salt: str) -> None:
    """Else the shorter ranking would get the first place, or none, but never the second."""
    assert draft([1, 2], [1], 2, salt).teams == "--"
    assert draft([1], [1, 2], 2, salt).teams == "--"
    assert draft([1, 2, 3], [1, 2], 3, salt).teams in ("AB-", "BA-")


def test_an_item_of_a_round_that_only_one_can_complete_is_of_neither() -> None:
    assert draft([1, 2, 3], [], 3, "") == ((1, 2, 3), (1.0, 1.0, 1.0), "---")
    assert draft([1], [1], 2, "")[0] == (1,)
    assert draft([1], [1], 2, "").teams == NEITHER
