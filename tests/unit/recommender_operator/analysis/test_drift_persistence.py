import datetime

from hypothesis import given
from hypothesis import strategies as st

from recommender_operator.analysis.drift import (
    DriftVerdict,
    FeatureShift,
    Verdict,
    advance,
    advance_break,
    broken,
    drifted,
)
from recommender_operator.api.spec import DriftSpec
from recommender_operator.api.status import DriftStatus

SPEC = DriftSpec()
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
SHIFT = FeatureShift(name="age", effect=0.3, p_value=0.0, psi=1.0, message="age: far")
BREACH = DriftVerdict(verdict=Verdict.FAIL, sessions=500, features=(SHIFT,), message="age: far")
CLEAR = DriftVerdict(verdict=Verdict.PASS, sessions=500, message="no shift", clear=True)
NEAR = DriftVerdict(verdict=Verdict.PASS, sessions=500, message="near")
FEW = DriftVerdict(verdict=Verdict.INCONCLUSIVE, sessions=9, message="9 of 500")
ERROR = DriftVerdict(verdict=Verdict.ERROR, sessions=500, message="lost")
WINDOWS = st.lists(st.sampled_from([BREACH, CLEAR, NEAR, FEW, ERROR]), max_size=40)


def after(verdicts: list[DriftVerdict], status: DriftStatus | None = None) -> DriftStatus:
    status = status or DriftStatus()
    for verdict in verdicts:
        status = advance(SPEC, status, verdict, NOW)
    return status


def test_two_windows_in_a_row_are_not_enough_and_three_are() -> None:
    assert not drifted(SPEC, after([BREACH, BREACH]))
    status = after([BREACH] * 3)
    assert drifted(SPEC, status)
    assert (status.features, status.verdict, status.window_at) == (("age",), "Fail", NOW)


def test_a_window_without_a_shift_breaks_the_row() -> None:
    assert not drifted(SPEC, after([BREACH, BREACH, NEAR, BREACH, BREACH]))


def test_a_confirmed_drift_ends_only_after_three_clear_windows_in_a_row() -> None:
    assert drifted(SPEC, after([BREACH] * 3 + [CLEAR, CLEAR, NEAR, CLEAR, CLEAR]))
    status = after([BREACH] * 3 + [CLEAR] * 3)
    assert not drifted(SPEC, status)
    assert (status.features, status.breaches_in_a_row, status.clear_in_a_row) == ((), 0, 3)


def test_too_few_sessions_change_nothing_at_all() -> None:
    status = after([BREACH, BREACH])
    assert after([FEW], status) == status


def test_an_error_is_reported_and_does_not_count() -> None:
    before = after([BREACH, BREACH])
    status = after([ERROR], before)
    assert (status.verdict, status.message) == ("Error", "lost")
    assert status.breaches_in_a_row == before.breaches_in_a_row
    assert status.windows == before.windows


@given(WINDOWS)
def test_drift_is_confirmed_exactly_by_enough_windows_in_a_row(
    verdicts: list[DriftVerdict],
) -> None:
    status, reported = DriftStatus(), False
    checked: list[DriftVerdict] = []
    for verdict in verdicts:
        status = advance(SPEC, status, verdict, NOW)
        if verdict.verdict in (Verdict.PASS, Verdict.FAIL):
            checked.append(verdict)
            last = checked[-3:]
            if last == [BREACH] * 3:
                reported = True
            elif last == [CLEAR] * 3:
                reported = False
        assert drifted(SPEC, status) is reported
    assert status.windows == len(checked)


@given(WINDOWS)
def test_a_break_is_confirmed_by_three_in_a_row_and_leaves_the_champions_drift_alone(
    verdicts: list[DriftVerdict],
) -> None:
    status = start = after([BREACH])
    for verdict in verdicts:
        status = advance_break(SPEC, status, verdict, NOW)
    checked = [v for v in verdicts if v.verdict in (Verdict.PASS, Verdict.FAIL)]
    row = next((i for i, v in enumerate(reversed(checked)) if v is not BREACH), len(checked))
    assert status.candidate_breaks_in_a_row == row
    assert broken(SPEC, status) is (row >= 3)
    assert status.model_copy(update={"candidate_breaks_in_a_row": 0}) == start
