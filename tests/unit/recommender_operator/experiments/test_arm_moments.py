from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.experiments.arm_moments import (
    COMPONENTS,
    NONE,
    PLAIN,
    PRODUCTS,
    WATCHED,
    Moments,
    pairs,
    parse_moments,
    product_key,
)
from tests.unit.recommender_operator.experiments.users import arm, drawn, moments

SEEDS = st.integers(0, 2**32 - 1)


def answer(given: Moments) -> dict[str, Any]:
    """An arm as the collector sends it."""
    text = json.dumps({"users": given.users, "sums": given.sums, "products": given.products})
    return dict(json.loads(text))


def test_an_arm_of_the_collectors_answer_becomes_its_moments() -> None:
    given_ = arm(1, 50)
    assert parse_moments({"arm": "shop-1", "mixed": 0, **answer(given_)}) == given_
    assert parse_moments(answer(NONE)) == NONE
    assert len(PRODUCTS) == 136
    assert product_key("clicks", "answers") == "answers*clicks"


@pytest.mark.parametrize("value", [math.nan, math.inf, 10**400, 1e101, -1.0, "3", None, True])
@pytest.mark.parametrize("field", [("sums", "clicks"), ("products", "answers*clicks")])
def test_a_number_that_is_none_is_refused_by_its_name(field: tuple[str, str], value: Any) -> None:
    bad = answer(arm(1, 50))
    bad[field[0]][field[1]] = value
    with pytest.raises(ValueError, match=f"{field[0]}.{field[1]}".replace("*", r"\*")):
        parse_moments(bad)


@pytest.mark.parametrize("users", [-1, 2.5, "7", None, True])
def test_a_number_of_users_that_is_none_is_refused(users: Any) -> None:
    with pytest.raises(ValueError, match="users"):
        parse_moments({**answer(arm(1, 50)), "users": users})


@pytest.mark.parametrize("field", ["sums", "products"])
def test_a_component_that_is_missing_or_unknown_is_refused(field: str) -> None:
    more, fewer, none = (answer(arm(1, 50)) for _ in range(3))
    more[field]["luck"] = 1.0
    fewer[field].popitem()
    none[field] = None
    for bad in (more, fewer, none):
        with pytest.raises(ValueError, match=field):
            parse_moments(bad)


def test_an_answer_about_an_experiment_that_watches_nothing_has_zeros() -> None:
    whole = arm(1, 50)
    plain: dict[str, Any] = {
        "users": whole.users,
        "sums": {name: whole.sums[name] for name in PLAIN},
        "products": {key: whole.products[key] for key in pairs(PLAIN)},
    }
    found = parse_moments(plain)
    assert found.sums == dict.fromkeys(COMPONENTS, 0.0) | plain["sums"]
    assert found.products == dict.fromkeys(PRODUCTS, 0.0) | plain["products"]
    assert found.merged(whole).users == 100


@pytest.mark.parametrize("name", WATCHED)
def test_one_watched_component_without_the_others_is_refused(name: str) -> None:
    bad = answer(arm(1, 50))
    del bad["sums"][name]
    with pytest.raises(ValueError, match=f"missing or unknown: {name}"):
        parse_moments(bad)


def test_sums_that_no_users_can_have_are_refused() -> None:
    for key, by in (("clicks*clicks", 0.01), ("answers*clicks", 10.0), ("before*before", 0.0)):
        bad = answer(arm(1, 50))
        bad["products"][key] *= by
        with pytest.raises(ValueError, match="impossible"):
            parse_moments(bad)
    with pytest.raises(ValueError, match="impossible"):
        parse_moments({**answer(arm(1, 50)), "users": 0})


def test_only_pairs_of_known_components_are_products() -> None:
    squares = {"answers*answers": 4.0}
    for key in ("answers*clicks", "clicks", "clicks*answers"):
        with pytest.raises(ValueError, match="not a pair"):
            Moments(2, {"answers": 2.0}, {**squares, key: 0.0})
    with pytest.raises(ValueError, match="missing"):
        Moments(2, {"answers": 2.0}, {})


@given(SEEDS, st.integers(2, 200))
def test_means_and_covariances_are_numpys(seed: int, count: int) -> None:
    users = drawn(seed, count)
    found = moments(users)
    for first in COMPONENTS:
        assert found.mean(first) == pytest.approx(users[first].mean())
        for second in COMPONENTS:
            expected = np.cov(users[first], users[second])[0, 1]
            size = float(np.sqrt((users[first] @ users[first]) * (users[second] @ users[second])))
            assert found.covariance(first, second) == pytest.approx(
                expected, abs=1e-9 * size + 1e-12
            )


@given(SEEDS, st.tuples(*[st.integers(0, 40)] * 3))
def test_moments_of_disjoint_users_merge_in_any_order(
    seed: int, counts: tuple[int, int, int]
) -> None:
    parts = [drawn(seed + i, count) for i, count in enumerate(counts)]
    a, b, c = (moments(part) for part in parts)
    whole = moments({name: np.concatenate([p[name] for p in parts]) for name in COMPONENTS})
    for merged in (a.merged(b).merged(c), a.merged(b.merged(c)), c.merged(a).merged(b)):
        assert merged.users == whole.users
        assert merged.sums == pytest.approx(whole.sums)
        assert merged.products == pytest.approx(whole.products)
    assert a.merged(NONE) == a


def test_moments_of_other_components_do_not_merge() -> None:
    with pytest.raises(ValueError, match="different components"):
        arm(1, 5).merged(Moments(1, {}, {}))
