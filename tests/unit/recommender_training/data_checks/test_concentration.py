"""One user with far more than a share of the positive rows is reported, and never who it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.resource.checks import CheckLevels, DataChecks
from recommender_training.data_checks import fitness, profile
from recommender_training.data_checks.finding import Finding, Findings
from recommender_training.data_checks.run import run_checks
from tests import mapped_files
from tests.mapped_files import START, declare, event, write

USERS = 100
BOT = 918_273_645
people = st.lists(st.integers(1, 9), min_size=1, max_size=300)


def finding(of: Sequence[int]) -> Finding:
    """The finding of a part whose users have so many positive rows each."""
    largest = {"users": len(of), "positive": max(of, default=0)}
    labels = {"rows": 2 * sum(of), "positive": sum(of)}
    findings = Findings(CheckLevels())
    fitness.concentration(
        findings,
        {
            "labels": dict.fromkeys(profile.PARTS, labels),
            "largest": dict.fromkeys(profile.PARTS, largest),
        },
    )
    assert [each.feature for each in findings.all] == [f"user_id[{of}]" for of in profile.PARTS]
    return findings.all[0]


@pytest.mark.parametrize(
    ("of", "level"),
    [
        ([], "pass"),
        ([700], "pass"),
        ([1] * 9 + [10_000], "pass"),  # one of ten
        ([1] * 19 + [10_000], "pass"),
        ([1] * 99 + [24], "pass"),  # 24 of 123: 19.5 %
        ([1] * 99 + [25], "warn"),  # 25 of 124: 20.2 %
        ([1] * 9_999 + [101], "pass"),  # 101 of 10,100, exactly 1 %
        ([1] * 9_999 + [102], "warn"),
    ],
)
def test_the_limit_depends_on_the_number_of_users(of: list[int], level: str) -> None:
    assert finding(of).level == level


@given(st.integers(1, 5000), st.integers(1, 50))
def test_users_with_as_many_rows_each_always_pass(users: int, rows: int) -> None:
    assert finding([rows] * users).level == "pass"


@given(people, st.integers(1, 500), st.integers(1, 500))
def test_more_rows_of_the_largest_user_never_turn_a_warning_into_a_pass(
    of: list[int], bot: int, more: int
) -> None:
    first, then = (finding([*of, max(of) + rows]).level for rows in (bot, bot + more))
    assert (first, then) != ("warn", "pass")


@given(people, st.integers(1, 500))
def test_a_warning_means_more_than_twenty_times_the_mean(of: list[int], bot: int) -> None:
    of = [*of, bot]
    if finding(of).level == "warn":
        assert len(of) > fitness.TIMES_THE_MEAN
        assert max(of) > fitness.TIMES_THE_MEAN * sum(of) / len(of)


@pytest.mark.parametrize("robot", [True, False])
def test_a_bot_is_reported_with_its_share_and_a_remedy_but_without_its_id(
    robot: bool, tmp_path: Path
) -> None:
    source, lake = tmp_path / "source", tmp_path / "lake"
    events = [event(n % USERS, n % 50, START + n, 5 if n % 3 else 1) for n in range(3000)]
    if robot:  # one act a second, from the first hour to the last
        events += [event(BOT, n % 50, START + n) for n in range(3000)]
    write(source / "events/a.csv", events)
    version = mapped_files.check(source, lake, declare()).data_version
    outcome = run_checks(lake, version, DataChecks())
    found = {each.feature: each for each in outcome.findings if each.check == "concentration"}
    assert {each.level for each in found.values()} == ({"warn"} if robot else {"pass"})
    if robot:
        value = "2400 of 4000 positive rows (60.00%) of one user"
        assert found["user_id[train]"].value == value
        assert value in outcome.text()
        kept = outcome.summary().model_dump(mode="json")["findings"]  # which cuts long texts
        assert isinstance(kept, list)
        assert kept[0]["remedy"].endswith("set data.checks.levels.concentration: Ignore")
    texts = [path.read_text() for path in (lake / "checks").rglob("*.json")]
    texts += [outcome.text(), outcome.summary().model_dump_json()]
    assert len(texts) > 2
    assert not [text for text in texts if str(BOT) in text]
