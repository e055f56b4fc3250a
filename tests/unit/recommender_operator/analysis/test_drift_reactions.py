"""What the operator does for each cause of drift, in the code and in docs/drift-reactions.md."""

from __future__ import annotations

import re
from pathlib import Path

from recommender_operator.analysis import schema_break
from recommender_operator.analysis.counter_window import WindowStats
from recommender_operator.analysis.drift_reactions import Cause, Reaction, reactions
from recommender_operator.api.spec import DriftSpec
from recommender_operator.api.status import DriftStatus

PAGE = Path(__file__).resolve().parents[4] / "docs" / "drift-reactions.md"


def test_the_table_of_the_page_is_that_of_the_code() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", cell)) for name, cell in rows if name in set(Cause)}
    assert told == {str(cause): set(map(str, reactions(cause))) for cause in Cause}


def test_a_broken_candidate_is_rolled_back_and_nothing_else_is() -> None:
    ends = [cause for cause in Cause if Reaction.ROLL_BACK in reactions(cause)]
    assert ends == [Cause.CANDIDATE_BREAK]


def test_nothing_both_retrains_and_freezes_retraining() -> None:
    both = {Reaction.RETRAIN, Reaction.FREEZE_RETRAINING}
    assert not any(both <= reactions(cause) for cause in Cause)


REFERENCE = {
    "age": {"0": 90, "null": 10, "unknown": 0},
    "tag": {"0": 90, "null": 0, "unknown": 10},
    "rare": {"0": 20, "null": 80, "unknown": 0},
    "top_score": {"0": 100, "null": 0, "unknown": 0},
}


def test_a_feature_that_most_sessions_lack_is_broken() -> None:
    features = {
        "age": {"0": 40, "null": 60, "unknown": 0},
        "tag": {"0": 30, "null": 9, "unknown": 61},
        "rare": {"0": 0, "null": 100, "unknown": 0},
        "top_score": {"0": 0, "null": 100, "unknown": 0},
    }
    window = WindowStats(reference=REFERENCE, features=features)
    assert schema_break.broken(window) == ("age",), "unknown values are new ones"


def _windows(*lacks: bool, first: tuple[str, ...] = ()) -> DriftStatus:
    """The status after shifted windows, of which some lack the age."""
    status = DriftStatus(lacking_at_first=first)
    for lack in lacks:
        null = 90 if lack else 10
        age = {"age": {"0": 100 - null, "null": null, "unknown": 0}}
        window = WindowStats(reference={"age": REFERENCE["age"]}, features=age)
        after = status.model_copy(
            update={"verdict": "Fail", "breaches_in_a_row": status.breaches_in_a_row + 1}
        )
        status = schema_break.noted(DriftSpec(consecutive_windows=3), status, after, window)
    return status


def test_a_break_lasts_until_enough_shifted_windows_in_a_row_are_whole() -> None:
    assert _windows(True, True, True, False, False).cause == "SchemaBreak"
    assert _windows(True, True, True, False, False, True, False).cause == "SchemaBreak"
    assert _windows(True, True, True, False, False, True, False).lacking == ("age",)
    ended = _windows(True, True, True, False, False, False)
    assert (ended.cause, ended.lacking) == ("InputShift", ())


def test_what_the_first_sessions_of_a_champion_lacked_is_no_break() -> None:
    assert _windows(True, True, True, first=("age",)).cause == "InputShift"
    half = {"age": {"0": 60, "null": 40, "unknown": 0}}
    window = WindowStats(reference={"age": REFERENCE["age"]}, features=half)
    passed = DriftStatus(verdict="Pass")
    of_an_earlier_release = DriftStatus(windows=7)
    for before in (DriftStatus(), of_an_earlier_release):
        seen = schema_break.noted(DriftSpec(), before, passed, window)
        assert seen.lacking_at_first == ("age",)
    later = schema_break.noted(DriftSpec(), DriftStatus(lacking_at_first=()), passed, window)
    assert later == passed


def test_what_the_former_champion_got_a_break_of_is_not_usual_for_the_next_one() -> None:
    spec = DriftSpec(consecutive_windows=3)
    broken = _windows(True, True, True)
    window = WindowStats(
        reference=REFERENCE,
        features=REFERENCE | {"age": {"0": 0, "null": 100}, "tag": {"0": 0, "null": 100}},
    )
    failed = DriftStatus(verdict="Fail", breaches_in_a_row=4)
    begun = schema_break.of_next_champion(broken, frozen=True)
    assert (begun.lacking, begun.breaches_in_a_row, begun.windows) == (("age",), 3, 0)
    seen = schema_break.noted(spec, begun, failed, window)
    assert (seen.cause, seen.lacking) == ("SchemaBreak", ("age",))
    assert seen.lacking_at_first == ("tag",)
    thawed = schema_break.of_next_champion(broken, frozen=False)
    assert thawed == DriftStatus()
    seen = schema_break.noted(spec, thawed, failed, window)
    assert (seen.cause, seen.lacking_at_first) == ("InputShift", ("age", "tag"))


def test_a_break_that_has_ended_is_not_that_of_the_next_champion() -> None:
    ended = _windows(True, True, True).model_copy(update={"breaches_in_a_row": 0})
    assert schema_break.of_next_champion(ended, frozen=True) == DriftStatus()


def test_a_feature_with_other_values_is_not_broken() -> None:
    features = {"age": {"0": 5, "7": 55, "null": 40, "unknown": 0}, "tag": {}}
    assert schema_break.broken(WindowStats(reference=REFERENCE, features=features)) == ()
