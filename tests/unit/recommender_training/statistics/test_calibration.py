"""A calibration undoes what was done to the logits, and takes no chance for a shift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_training.common.arrays import Bools, Doubles, Ints
from recommender_training.statistics import calibration, model_metrics
from recommender_training.statistics.calibration import Calibration

#: Rows, and the share of positives, of balanced and of rare responses.
CASES = [(10_000, 0.5), (100_000, 0.005)]


def responses(rows: int, share: float, seed: int = 0) -> tuple[Bools, Doubles, Ints]:
    """Labels drawn from true logits, these logits, and the rows' users."""
    random = np.random.default_rng(seed)
    logit = random.normal(0, 0.8, rows) + calibration.logit_of(share)
    return random.random(rows) < calibration.probability(logit), logit, np.arange(rows) // 20


@pytest.mark.parametrize(("rows", "share"), CASES)
@pytest.mark.parametrize("temperature", [0.7, 1.0, 2.5])
def test_a_scaling_about_the_base_rate_is_undone(
    rows: int, share: float, temperature: float
) -> None:
    label, logit, user = responses(rows, share)
    centre = calibration.centre_of(share)
    found = calibration.fit(label, centre + (logit - centre) * temperature, user, share)
    assert found.temperature == pytest.approx(temperature, rel=0.15)
    assert found.offset == pytest.approx(centre * (1 - 1 / found.temperature), abs=1e-9)


@pytest.mark.parametrize(("rows", "share"), CASES)
@pytest.mark.parametrize("shift", [-0.9, 0.5])
def test_a_shift_of_all_users_is_undone(rows: int, share: float, shift: float) -> None:
    label, logit, user = responses(rows, share)
    found = calibration.fit(label, logit - shift, user, share)
    ratio = model_metrics.calibration_ratio(label, calibration.probability(found(logit - shift)))
    assert ratio == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("seed", range(5))
def test_no_shift_is_taken_from_users_who_differ(seed: int) -> None:
    """Their mean is off by chance, by more than that of so many independent rows."""
    random = np.random.default_rng(seed)
    user = np.repeat(np.arange(100), 100)
    logit = random.normal(0, 1, len(user))
    label = random.random(len(user)) < calibration.probability(
        logit + random.normal(0, 0.4, 100)[user]
    )
    found = calibration.fit(label, logit, user, 0.5)
    assert found.offset == 0


@pytest.mark.parametrize("few", [0, 5, calibration.MIN_CLASS_ROWS - 1])
@pytest.mark.parametrize("value", [True, False])
def test_logits_stay_as_they_are_with_few_rows_of_a_class(few: int, value: bool) -> None:
    label = np.full(10_000, not value)
    label[:few] = value
    logit = np.random.default_rng(0).normal(0, 1, len(label))
    assert calibration.fit(label, logit, np.arange(len(label)), 0.01) == Calibration()


@given(
    seed=st.integers(0, 2**32 - 1),
    rate=st.sampled_from([0.05, 0.5, 0.95]),
    scale=st.floats(0, 100),
    share=st.floats(1e-6, 1 - 1e-6),
)
def test_both_numbers_are_bounded_whatever_the_logits(
    seed: int, rate: float, scale: float, share: float
) -> None:
    random = np.random.default_rng(seed)
    label, logit = random.random(500) < rate, random.normal(0, scale, 500)
    found = calibration.fit(label, logit, random.integers(0, 40, 500), share)
    most = calibration.MAX_TEMPERATURE
    assert 1 / most - 1e-9 <= found.temperature <= most + 1e-9
    shift = found.offset - calibration.centre_of(share) * (1 - 1 / found.temperature)
    assert abs(shift) <= np.log(calibration.MAX_SHIFT) + 1e-6
