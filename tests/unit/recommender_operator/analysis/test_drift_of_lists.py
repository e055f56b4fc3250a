"""A session with several categories counts once where shares of sessions are compared."""

from __future__ import annotations

from recommender_operator.analysis import distributions, schema_break
from recommender_operator.analysis.counter_window import Bins, WindowStats
from recommender_operator.analysis.drift import evaluate_break, evaluate_window
from recommender_operator.analysis.missing_features import missing_features
from recommender_operator.api.spec import DriftSpec

SESSIONS = 1000


def counts(lost: int, sessions: int = SESSIONS, unknown: int = 0) -> dict[str, Bins]:
    """Sessions with three tags each, but of those that lost them or whose tags are unknown."""
    tagged = sessions - lost - unknown
    return {
        "tags": {"0": tagged, "1": tagged, "2": tagged, "null": lost, "unknown": unknown},
        "session_length": {"0": sessions // 2, "1": sessions - sessions // 2},
    }


def window(lost: int, sessions: int = SESSIONS, unknown: int = 0, then: int = 0) -> WindowStats:
    return WindowStats(
        sessions=sessions, pods=1, features=counts(lost, sessions, unknown),
        reference=counts(then, 5000),
    )  # fmt: skip


def test_the_share_of_lost_lists_is_one_of_sessions_on_both_sides() -> None:
    seen = evaluate_window(DriftSpec(), window(400, then=500))
    assert seen.verdict == "Fail"
    assert "tags: nulls 40.0% against 10.0% in the reference" in seen.message


def test_unknown_lists_of_a_candidate_are_a_share_of_its_sessions() -> None:
    seen = evaluate_break(DriftSpec(), window(0, unknown=250), window(0))
    assert "tags: unknown values 25.0% against 0.0% in stable" in seen.message


def test_a_step_sees_the_share_of_sessions_without_a_list() -> None:
    seen = missing_features(window(200, unknown=100), window(100), max_increase=0.1)
    assert (seen.value, seen.stable_value) == (0.3, 0.1)


def test_a_list_that_most_sessions_lack_is_a_break() -> None:
    assert schema_break.broken(window(600)) == ("tags",)
    assert schema_break.broken(window(400)) == ()


def test_a_feature_that_fewer_sessions_have_keeps_its_own_number() -> None:
    both: dict[str, Bins] = {"top_score": {"0": 10}, "session_length": {"0": 70, "1": 30}}
    assert distributions.sessions(both, "top_score") == 10
    assert distributions.sessions({"age": {"0": 3, "null": 4}}, "age") == 7
