"""Whether an effect lasts after users' first day."""

from __future__ import annotations

import dataclasses
import math
from statistics import NormalDist

import numpy as np
import pytest
import tea_tasting
from tea_tasting.aggr import Aggregates

from recommender_operator.experiments import novelty
from recommender_operator.experiments.arm_moments import DAYS, NONE
from recommender_operator.experiments.comparison_texts import lasting, seasonality, weekdays
from recommender_operator.experiments.experiment_metrics import DEFINITIONS, Metric
from recommender_operator.experiments.novelty import Novelty
from recommender_operator.experiments.plan import Phase, Plan, Primary
from tests.unit.recommender_operator.experiments import users
from tests.unit.recommender_operator.experiments.users import Floats

USERS = 4000
CLICKS, REVENUE = Metric.CLICK_THROUGH_RATE, Metric.REVENUE_PER_USER


def by_day(seed: int, click: float, later: float) -> dict[str, Floats]:
    """Users whose later days are alike to their first; two in three come back."""
    rng = np.random.default_rng(seed)
    parts = (users.drawn(seed, USERS, click=click), users.drawn(seed, USERS, click=later))
    back = rng.random(USERS) < 0.67
    found = {}
    shown = (np.ones(USERS), back.astype(np.float64))
    for part, values, kept in zip(("first", "later"), parts, shown, strict=True):
        for name in DAYS:
            if name.startswith(part):
                found[name] = values[name.partition(".")[2]] * kept
    return found


CHAMPION, FADES, LASTS = by_day(1, 0.1, 0.1), by_day(2, 0.15, 0.1), by_day(3, 0.15, 0.15)


def plan(*metrics: Metric) -> Plan:
    return Plan(primary=tuple(Primary(metric=each, smallest_effect=0.1) for each in metrics))


def phase(candidate: dict[str, Floats]) -> Phase:
    return Phase(
        number=0,
        weights={"a": 50, "b": 50},
        champion="a",
        candidate="b",
        arms={},
        days={"a": users.moments(CHAMPION), "b": users.moments(candidate)},
    )


def aggregates(values: dict[str, Floats], *names: str) -> Aggregates:
    return Aggregates(
        count_=USERS,
        mean_={name: float(values[name].mean()) for name in names},
        var_={name: float(values[name].var(ddof=1)) for name in names},
        cov_={names: float(np.cov(values[names[0]], values[names[1]])[0, 1])},
    )


@pytest.mark.parametrize("metric", [REVENUE, Metric.PURCHASES_PER_USER, Metric.CONVERSION_RATE])
@pytest.mark.parametrize("candidate", [FADES, LASTS])
def test_the_change_for_a_user_is_that_of_an_independent_library(
    metric: Metric, candidate: dict[str, Floats]
) -> None:
    # Over the same users, the later value divided by the first one is a ratio of two means.
    names = tuple(f"{part}.{DEFINITIONS[metric].numerator}" for part in ("first", "later"))
    oracle = tea_tasting.RatioOfMeans(names[1], names[0], use_t=False, equal_var=False)
    arms = [aggregates(each, *names) for each in (CHAMPION, candidate)]
    expected = oracle.analyze_aggregates(*arms)
    (seen,) = novelty.novelty_of(plan(metric), phase(candidate), read=True)
    assert seen.change == pytest.approx(expected.rel_effect_size)
    assert seen.low == pytest.approx(expected.rel_effect_size_ci_lower)
    assert seen.high == pytest.approx(expected.rel_effect_size_ci_upper)


@pytest.mark.parametrize("metric", [CLICKS, Metric.REVENUE_PER_SESSION])
@pytest.mark.parametrize("candidate", [FADES, LASTS])
def test_the_error_for_an_answer_is_that_of_leaving_out_one_user_at_a_time(
    metric: Metric, candidate: dict[str, Floats]
) -> None:
    variance, logs = 0.0, []
    for arm in (CHAMPION, candidate):
        values: list[Floats] = []
        for part in ("later", "first"):
            above = arm[f"{part}.{DEFINITIONS[metric].numerator}"]
            below = arm[f"{part}.{DEFINITIONS[metric].denominator}"]
            without = (above.sum() - above) / (below.sum() - below)
            values.append(np.append(without, above.sum() / below.sum()))
        changes = np.log(values[0] / values[1])
        variance += (USERS - 1) * float(changes[:-1].var())
        logs.append(float(changes[-1]))
    (seen,) = novelty.novelty_of(plan(metric), phase(candidate), read=True)
    z = (logs[1] - logs[0]) / math.sqrt(variance)
    assert seen.change == pytest.approx(math.expm1(logs[1] - logs[0]))
    assert seen.p_value == pytest.approx(2 * NormalDist().cdf(-abs(z)), abs=0.005)


def test_an_effect_that_fades_is_told_from_one_that_lasts() -> None:
    (fades,), (lasts,) = (
        novelty.novelty_of(plan(CLICKS), phase(each), read=True) for each in (FADES, LASTS)
    )
    assert (fades.changes, lasts.changes) == (True, False)
    assert "beyond chance, p = " in lasting(fades)
    assert "within chance" in lasting(lasts)
    # An effect that never changes, but is another one for users who come often, looks the same.
    assert "or users who come often react differently" in lasting(fades)
    assert "react differently" not in lasting(lasts)


def test_before_the_end_the_interval_holds_over_all_looks() -> None:
    (now,), (end,) = (
        novelty.novelty_of(plan(CLICKS), phase(FADES), read=each) for each in (False, True)
    )
    assert now.p_value is None
    assert now.low is not None
    assert end.low is not None
    assert now.low < end.low


def test_with_several_metrics_each_has_a_stricter_level() -> None:
    (one,) = novelty.novelty_of(plan(CLICKS), phase(FADES), read=True)
    both = novelty.novelty_of(plan(CLICKS, REVENUE), phase(FADES), read=True)
    assert both[0].p_value == pytest.approx(2 * one.p_value)  # type: ignore[operator]


def test_a_change_is_beyond_chance_only_if_its_corrected_p_value_is() -> None:
    one = Novelty(
        metric=CLICKS, first=0.1, later=0.05, change=-0.05, low=-0.1, high=-0.01, p_value=0.04,
        alpha=0.05,
    )  # fmt: skip
    for p, beyond in ((0.04, True), (0.05, True), (0.08, False)):
        seen = dataclasses.replace(one, p_value=p)
        assert seen.changes is beyond
        assert ("beyond chance" in lasting(seen)) is beyond
    fades_a_little = phase(by_day(2, 0.12, 0.11))
    (alone,) = novelty.novelty_of(plan(CLICKS), fades_a_little, read=True)
    assert alone.changes
    both = novelty.novelty_of(plan(CLICKS, REVENUE), fades_a_little, read=True)
    assert both[0].low is not None
    assert both[0].high is not None
    assert not both[0].low <= 0 <= both[0].high
    assert not both[0].changes


def test_a_part_without_a_denominator_is_not_known() -> None:
    # Purchases of a later day belong to the session of the day before.
    odd = {name: values * (name != "later.sessions") for name, values in CHAMPION.items()}
    (seen,) = novelty.novelty_of(plan(Metric.REVENUE_PER_SESSION), phase(odd), read=True)
    assert seen == Novelty(metric=Metric.REVENUE_PER_SESSION)


@pytest.mark.parametrize("read", [True, False])
def test_what_cannot_be_computed_is_not_known(monkeypatch: pytest.MonkeyPatch, read: bool) -> None:
    def fail(*_: object) -> float:
        raise OverflowError

    monkeypatch.setattr(novelty, "_variance", fail)
    (seen,) = novelty.novelty_of(plan(CLICKS), phase(FADES), read=read)
    assert lasting(seen).endswith("not known, its numbers allow no computation (OverflowError)")


def test_days_that_cannot_be_read_are_not_known() -> None:
    broken = dataclasses.replace(phase(FADES), days={}, days_problem="sums: missing")
    (seen,) = novelty.novelty_of(plan(CLICKS), broken)
    assert lasting(seen) == "ClickThroughRate: not known, sums: missing"


def test_what_cannot_be_known_is_said_to_be_unknown() -> None:
    none_back = {name: values * name.startswith("first") for name, values in CHAMPION.items()}
    (seen,) = novelty.novelty_of(plan(CLICKS), phase(none_back))
    assert seen == Novelty(metric=CLICKS)
    assert "not known" in lasting(seen)
    assert not novelty.novelty_of(plan(CLICKS), dataclasses.replace(phase(FADES), days={}))
    assert not novelty.novelty_of(
        plan(CLICKS), dataclasses.replace(phase(FADES), days={"a": NONE})
    )


def test_a_return_has_no_first_day() -> None:
    assert not novelty.novelty_of(plan(Metric.RETURN_RATE), phase(FADES))


def test_all_users_alike_are_no_proof_of_anything() -> None:
    alike = {name: np.ones(USERS) for name in DAYS}
    same = dataclasses.replace(phase(FADES), days=dict.fromkeys("ab", users.moments(alike)))
    assert novelty.novelty_of(plan(CLICKS), same) == (Novelty(metric=CLICKS),)


@pytest.mark.parametrize(
    ("days", "word"),
    [(7, ""), (28, ""), (0, "less than a week"), (3.5, "less than"), (10, "not whole weeks")],
)
def test_a_time_that_is_no_whole_weeks_is_said(days: float, word: str) -> None:
    said = seasonality(days)
    assert (word in said) if word else not said


@pytest.mark.parametrize(
    ("days", "word"),
    [
        (7.01, ""), (6.9, ""), (14.2, ""), (28, ""), (0.2, "0.2 days were measured"),
        (9.3, "9.3 days were measured, not whole weeks"), (11, "once more"),
    ],
)  # fmt: skip
def test_the_weekdays_of_the_measured_time_are_said(days: float, word: str) -> None:
    said = weekdays(days)
    assert (word in said) if word else not said
