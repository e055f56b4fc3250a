"""The model does not answer the users of a holdout, whoever is asked, and others are compared."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.events import HELD, OTHERS, Source
from recommender_contract.headers import BUCKETS
from recommender_contract.ids import MAX_INTEGER
from recommender_serving.domain.types import NOBODY, SMOKE_USER, RecommendRequest
from recommender_serving.experiments.assignment import bucket
from recommender_serving.experiments.holdout import MAX_PERCENT, TIMES, Holdout
from tests.holdout_vectors import vectors
from tests.unit.recommender_serving.serving_samples import request

PERCENTS = st.integers(1, MAX_PERCENT)
SALTS = st.from_regex("holdout-[0-9a-f]{8}", fullmatch=True)
USERS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30)


def holdout(percent: int, salt: str = "holdout-0a1b2c3d", id_: str = "5c0ffee5") -> Holdout:
    return Holdout(id_, salt, percent, Source.BASELINE, 1000.0)


def group(held: Holdout, user: str) -> str | None:
    member = held.member(request(user_id=1, user_text=user))
    return None if member is None else member.group


@pytest.mark.parametrize(("salt", "user", "place"), vectors())
def test_groups_follow_the_buckets_of_the_contract(salt: str, user: str, place: int) -> None:
    assert bucket(salt, user) == place
    for percent in range(1, MAX_PERCENT + 1):
        expected = None
        if place < 100 * percent:
            expected = HELD
        elif place >= BUCKETS - 400 * percent:
            expected = OTHERS
        assert group(holdout(percent, salt), user) == expected


@given(PERCENTS, SALTS, st.integers(0, 10**12))
def test_groups_have_their_shares_of_any_users(percent: int, salt: str, first: int) -> None:
    held, count = holdout(percent, salt), 800
    groups = [group(held, str(user)) for user in range(first, first + count)]
    for name, share in ((HELD, percent / 100), (OTHERS, TIMES * percent / 100)):
        # Six standard errors of a binomial number: by chance once in a billion.
        allowed = 6 * math.sqrt(count * share * (1 - share))
        assert abs(groups.count(name) - count * share) <= allowed


@given(PERCENTS, PERCENTS, SALTS, USERS)
def test_another_percent_only_adds_or_releases_users(
    one: int, other: int, salt: str, user: str
) -> None:
    small, large = sorted((one, other))
    for name in (HELD, OTHERS):
        if group(holdout(small, salt), user) == name:
            assert group(holdout(large, salt), user) == name


@given(PERCENTS, SALTS, USERS)
def test_another_measure_has_the_same_users(percent: int, salt: str, user: str) -> None:
    first, second = (holdout(percent, salt, id_) for id_ in ("00000000", "11111111"))
    assert group(first, user) == group(second, user)


def test_groups_do_not_depend_on_an_experiment() -> None:
    held, users = holdout(10), list(map(str, range(6000)))
    candidates = [user for user in users if bucket("0a1b2c3d", user) < BUCKETS // 2]
    kept = [user for user in users if group(held, user) == HELD]
    both = len(set(kept) & set(candidates))
    assert abs(both - len(kept) / 2) < 6 * math.sqrt(len(kept) / 4)


def test_a_user_is_the_one_of_the_request_whatever_the_kind_of_ids() -> None:
    held = holdout(10)
    number, text = request(user_id=196), request(user_id=7, user_text="196")
    assert held.member(number) == held.member(text)


@pytest.mark.parametrize(
    "asked",
    [
        request(user_id=NOBODY),
        request(user_id=NOBODY, session_id="b1f0"),
        request(user_id=7, user_text=SMOKE_USER),
        request(user_id=-2),
        request(user_id=MAX_INTEGER + 1),
    ],
    ids=["nobody", "a session alone", "the smoke inference", "below 0", "too large"],
)
def test_who_cannot_be_measured_is_not_held_out(asked: RecommendRequest) -> None:
    everybody = dataclasses.replace(holdout(10), percent=100)
    assert everybody.member(asked) is None
