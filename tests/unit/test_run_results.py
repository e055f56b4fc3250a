"""The table of the test runner: sums of all tests, and no failure without a trace."""

from __future__ import annotations

import pytest

from tests.run_results import Counts, Outcome, Part, Result, failed, table


def outcome(result: Result, counts: Counts | None = None, name: str = "part") -> Outcome:
    return Outcome(
        part=Part(name=name, commands=(), limit_seconds=9),
        result=result,
        seconds=1.5,
        counts=counts,
    )


def test_the_table_ends_with_the_sums_over_the_parts() -> None:
    shown = table(
        [
            outcome(Result.PASSED, name="lint"),
            outcome(Result.PASSED, Counts(passed=5, skipped=1), name="unit"),
            outcome(Result.FAILED, Counts(passed=2, failed=3), name="e2e"),
        ],
        seconds=3.25,
    )
    assert shown.splitlines()[-1] == "7 passed, 3 failed, 1 skipped"
    for word in ("lint", "unit", "e2e", "FAILED", "1.5", "3.2"):
        assert word in shown


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ([outcome(Result.PASSED), outcome(Result.ABSENT)], False),
        ([outcome(Result.PASSED), outcome(Result.FAILED)], True),
        ([outcome(Result.TIMED_OUT), outcome(Result.PASSED)], True),
        ([outcome(Result.PASSED, Counts(passed=1, failed=1))], True),
    ],
)
def test_one_failed_part_fails_the_run(outcomes: list[Outcome], expected: bool) -> None:
    assert failed(outcomes) is expected
