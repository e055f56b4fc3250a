"""What a version would gain at explored places, against a truth that the test knows."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.common.arrays import Doubles
from recommender_training.evaluation import exploration_gain
from recommender_training.evaluation.exploration_gain import Decisions
from recommender_training.evaluation.exploration_requests import Places, Pools
from tests.unit.recommender_training.evaluation.told import assert_told


@dataclasses.dataclass(frozen=True)
class Drawn:
    """A log of uniform draws, and the true rates of the items of each pool."""

    places: Places
    decisions: Decisions
    truth: Doubles  # [D, P]


def draw(seed: int, users: int = 400, rows: int = 6) -> Drawn:
    """Pools of two to five items; users differ in how easily they click."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(users), rows)
    size = rng.integers(2, 6, len(user))
    present = np.arange(5) < size[:, None]
    ease = rng.uniform(0.6, 1.4, users)[user]
    truth = np.where(present, rng.uniform(0, 0.6, present.shape), 0) * ease[:, None]
    chosen = (rng.random(len(user)) * size).astype(np.int64)
    reward = rng.random(len(user)) < truth[np.arange(len(user)), chosen]
    places = Places(np.arange(len(user)), np.where(present, 0, -1), chosen, None, known=len(user))  # type: ignore[arg-type]
    return Drawn(places, Decisions(user, present, chosen, reward), truth)


def ranks(drawn: Drawn, scores: Doubles, probability: Doubles | None = None) -> Pools:
    """A version with these scores, and perhaps other probabilities than its scores."""
    present = drawn.decisions.present
    first = np.where(present, scores, -np.inf).argmax(1)
    return Pools(first, np.clip(scores if probability is None else probability, 0, 1))


def told(drawn: Drawn, own: Pools, champion: Pools | None, *, wanted: bool = True) -> Any:
    return exploration_gain.gain_section(
        drawn.places, drawn.decisions, own, champion, wanted=wanted
    )


def truly(drawn: Drawn, own: Pools, champion: Pools | None) -> float:
    """The gain in the true rate of clicks."""
    rows, present = np.arange(len(drawn.truth)), drawn.decisions.present
    uniform = drawn.truth.sum(1) / present.sum(1)
    theirs = uniform if champion is None else drawn.truth[rows, champion.first]
    return float((drawn.truth[rows, own.first] - theirs).mean())


@given(st.integers(0, 2**31), st.booleans())
def test_who_ranks_by_the_true_rates_gains_and_who_reverses_them_loses(
    seed: int, against_champion: bool
) -> None:
    drawn = draw(seed)
    rng = np.random.default_rng(seed)
    champion = ranks(drawn, rng.random(drawn.truth.shape)) if against_champion else None
    good = told(drawn, ranks(drawn, drawn.truth), champion, wanted=against_champion)
    bad = told(drawn, ranks(drawn, 1 - drawn.truth), champion, wanted=against_champion)
    assert good["gain"]["low"] > 0 > bad["gain"]["high"]
    assert good["against"] == ("champion" if against_champion else "uniform")
    assert exploration_gain.gain_metrics(good)["offPolicyGainLow"] == good["gain"]["low"]


@pytest.mark.parametrize("wrong", [0.0, 0.4])
def test_intervals_cover_the_true_gain_as_often_as_they_say(wrong: float) -> None:
    """Also where the probabilities are far from the truth: the draws are known."""
    covered = []
    for seed in range(200):
        drawn, rng = draw(seed, users=200), np.random.default_rng(seed + 10_000)
        noisy = drawn.truth + rng.normal(0, 0.2, drawn.truth.shape)
        own = ranks(drawn, noisy, np.clip(drawn.truth + wrong, 0, 1))
        champion = ranks(drawn, drawn.truth + rng.normal(0, 0.4, drawn.truth.shape))
        found = told(drawn, own, champion)["gain"]
        covered.append(found["low"] <= truly(drawn, own, champion) <= found["high"])
    assert np.mean(covered) == pytest.approx(0.95, abs=0.04)


@given(st.integers(0, 2**31))
def test_a_version_that_chooses_as_its_champion_gains_exactly_nothing(seed: int) -> None:
    drawn = draw(seed)
    own = ranks(drawn, drawn.truth)
    found = told(drawn, own, dataclasses.replace(own, probability=1 - own.probability))
    assert found["gain"] == {"value": 0, "low": 0, "high": 0}


def test_too_few_rows_or_users_give_no_estimate_and_say_so() -> None:
    for drawn in (draw(1, users=45, rows=60), draw(1, users=60, rows=2)):
        found = told(drawn, ranks(drawn, drawn.truth), None, wanted=False)
        assert found["gain"] is None
        assert found["message"].startswith("too few rows")
        assert exploration_gain.gain_metrics(found) == {}
        assert_told(found, "No estimate: too few rows")
    drawn = draw(1)
    own = ranks(drawn, drawn.truth)
    assert "champion could not" in told(drawn, own, None, wanted=True)["message"]
    never = dataclasses.replace(own, first=(drawn.decisions.chosen + 1) % 2)
    assert "none of the items" in told(drawn, own, never)["message"]


@given(st.integers(0, 2**31), st.integers(0, 200))
def test_few_draws_that_tell_the_versions_apart_give_no_estimate(seed: int, others: int) -> None:
    drawn = draw(seed)
    own = ranks(drawn, drawn.truth)
    rows = np.random.default_rng(seed).choice(len(own.first), others, replace=False)
    first = own.first.copy()
    first[rows] = (first[rows] + 1) % drawn.decisions.present[rows].sum(1)
    chosen = drawn.decisions.chosen
    told_by = int(((own.first == chosen) != (first == chosen)).sum())
    found = told(drawn, own, dataclasses.replace(own, first=first))
    if others > 0 and told_by < 30:
        assert found["gain"] is None
        assert f"too few rows: {told_by} shown items tell the version" in found["message"]
    else:
        assert found["gain"] is not None


def test_versions_that_hardly_differ_show_no_gain_that_is_not_there() -> None:
    """The version believes in its choices, which differ at 1 % of the places and gain nothing."""
    covered = []
    for seed in range(200):
        drawn, rng = draw(seed, rows=12), np.random.default_rng(seed + 10_000)
        even = np.where(drawn.decisions.present, 0.3, 0)
        reward = rng.random(len(even)) < 0.3
        drawn = dataclasses.replace(
            drawn, decisions=dataclasses.replace(drawn.decisions, reward=reward), truth=even
        )
        own = ranks(drawn, even + rng.uniform(0, 0.2, even.shape))
        others = rng.random(len(even)) < 0.01
        first = np.where(others, (own.first + 1) % drawn.places.size, own.first)
        found = told(drawn, own, dataclasses.replace(own, first=first))["gain"]
        if found is not None:
            covered.append(found["low"] <= 0 <= found["high"])
    assert 20 < len(covered) < 180, "about half have enough such draws"
    assert np.mean(covered) >= 0.93


def test_draws_that_are_not_uniform_are_noticed() -> None:
    """A log that shows the first item of the pool twice as often as it says."""
    drawn = draw(2)
    first = np.random.default_rng(0).random(len(drawn.truth)) < 0.3
    chosen = np.where(first, 0, drawn.decisions.chosen)
    drawn = dataclasses.replace(
        drawn, decisions=dataclasses.replace(drawn.decisions, chosen=chosen)
    )
    own = dataclasses.replace(ranks(drawn, drawn.truth), first=np.zeros_like(chosen))
    found = told(drawn, own, None, wanted=False)
    assert found["gain"] is None
    assert "not drawn as the log says" in found["message"]
