from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from recommender_operator.experiments import confidence_sequences, sample_size

ALPHAS = st.floats(1e-4, 0.2)
USERS = st.integers(200, 10**7)


@given(USERS, ALPHAS)
def test_at_its_end_the_mixture_of_drifts_has_the_evidence_of_its_level(
    users: int, alpha: float
) -> None:
    # The mean likelihood ratio of drifts above 0 against none, by numerical integration.
    spent = -2 * math.log(alpha)
    share = users * (spent + math.log(spent) + 1) / confidence_sequences.NARROWEST_AT
    z = confidence_sequences.multiplier(users, alpha)

    def ratio(step: float) -> float:
        # `step` is the drift in standard errors.
        density = 2 * stats.norm.pdf(step / math.sqrt(share)) / math.sqrt(share)
        return float(math.exp(step * z - step * step / 2) * density)

    evidence = integrate.quad(ratio, 0, z + 15, points=[z])[0]
    # Ville's inequality needs 1 / alpha; the closed form is a little wider than it has to be.
    assert 1 / alpha * (1 - 1e-6) <= evidence <= 3 / alpha


@given(USERS, ALPHAS)
def test_a_look_at_any_time_costs_width(users: int, alpha: float) -> None:
    assert confidence_sequences.multiplier(users, alpha) > sample_size.critical(2 * alpha)
    assert confidence_sequences.multiplier(users, alpha / 2) > confidence_sequences.multiplier(
        users, alpha
    )


def test_the_sequence_stays_narrow_from_hundreds_to_a_million_users() -> None:
    found = [
        confidence_sequences.multiplier(users, 0.05) for users in (200, 1000, 10**4, 10**5, 10**6)
    ]
    assert found == pytest.approx([3.00, 2.78, 3.04, 3.38, 3.70], abs=0.01)


def test_with_a_look_after_every_ten_users_it_errs_within_its_level() -> None:
    rng, alpha, runs = np.random.default_rng(20261127), 0.05, 2000
    looks = np.arange(200, 10_001, 10)
    steps = rng.normal(0, math.sqrt(10), size=(runs, len(looks)))
    steps[:, 0] *= math.sqrt(20)
    z = steps.cumsum(axis=1) / np.sqrt(looks)
    most = np.array([confidence_sequences.multiplier(int(users), alpha) for users in looks])
    assert (z > most).any(axis=1).mean() <= alpha
    # The test of a single look errs far more often.
    assert (z > sample_size.critical(2 * alpha)).any(axis=1).mean() > 4 * alpha
