"""Each check names its feature, passes if nothing changed, and has its level."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recommender_contract.resource.checks import CheckLevel, CheckLevels, DataChecks
from recommender_contract.resource.mapping import Format
from recommender_training.cli import termination_report
from recommender_training.common.errors import InputError
from recommender_training.data_checks import finding, profile, profile_comparison
from recommender_training.data_checks.finding import Finding, Findings
from recommender_training.data_checks.policy import parse_checks
from recommender_training.data_checks.profile import Profiled
from recommender_training.data_checks.run import evaluate_checks
from recommender_training.ingestion import ingest
from recommender_training.ingestion.quarantine_limits import Quarantined
from tests import mapped_files
from tests.mapped_files import START, declare, event, write

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def profiled(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Profiled:
    lake = tmp_path_factory.mktemp("lake")
    return profile.build_profile(
        lake, ingest.ingest_and_check(source, lake, kind=Format.MOVIELENS_100K).data_version, None
    )


def bad(profiled: Profiled, change: Change, checks: DataChecks = DataChecks()) -> list[Finding]:  # noqa: B008
    """What does not hold once the profile has changed, against the one before."""
    now = copy.deepcopy(profiled.profile)
    change(now)
    found = evaluate_checks(checks, Profiled(now, profiled.sessions), profiled.profile)
    return [each for each in found if each.level != "pass"]


def put(*path: str, value: Any) -> Change:
    def change(content: dict[str, Any]) -> None:
        for key in path[:-1]:
            content = content[key]
        content[path[-1]] = value

    return change


def drop(*path: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        for key in path[:-1]:
            content = content[key]
        del content[path[-1]]

    return change


def undeclare(table: str, name: str) -> Change:
    def change(content: dict[str, Any]) -> None:
        del content["tables"][table]["columns"][name]
        declared = content["declaration"][table]
        content["declaration"][table] = [each for each in declared if each["name"] != name]

    return change


def no_positives(content: dict[str, Any]) -> None:
    content["labels"]["train"]["positive"] = 0
    content["largest"]["train"] = {"users": 0, "positive": 0}


def test_all_checks_pass_if_nothing_changed(profiled: Profiled) -> None:
    found = evaluate_checks(DataChecks(), profiled, profiled.profile)
    assert {each.level for each in found} == {"pass"}
    names = {each.check for each in found}
    assert names == {field.alias or name for name, field in CheckLevels.model_fields.items()} - {
        "quarantine", "duplicates", "segments"
    }  # fmt: skip
    assert all(each.remedy == "" for each in found)


USERS = ("tables", "users")
CASES = [
    (put("active", "users", value=1), "users", "interactions.user_id", "block"),
    (put("active", "items", value=1), "items", "interactions.item_id", "block"),
    (put("labels", "test", value={"rows": 300, "positive": 300}), "labels",
     "interactions.value[test]", "block"),
    (no_positives, "labels", "interactions.value[train]", "block"),
    (put("cold", "known", value=0), "cold", "interactions.user_id[validation]", "warn"),
    (put("largest", "train", value={"users": 5000, "positive": 100}), "concentration",
     "interactions.user_id[train]", "warn"),
    (put("described", "items", value=1), "features", "items.item_id", "warn"),
    (put("described", "users", value=0), "features", "users.user_id", "warn"),
    (undeclare("users", "gender"), "schema", "users.gender", "block"),
    (put(*USERS, "columns", "age", "type", value="String"), "schema", "users.age", "block"),
    (put(*USERS, "columns", "age", "nulls", value=1.0), "lost", "users.age", "block"),
    (put(*USERS, "columns", "age", "nulls", value=0.3), "nulls", "users.age", "warn"),
    (put("tables", "interactions", "numbers", "value", "high", value=10.0), "ranges",
     "interactions.value", "warn"),
    (put(*USERS, "numbers", "age", "low", value=-1.0), "ranges", "users.age", "warn"),
    (put(*USERS, "categories", "gender", "counts", "m", value=1), "categories", "users.gender",
     "warn"),
    (drop(*USERS, "categories", "gender", "counts", "F"), "categories", "users.gender", "warn"),
    (put("tables", "interactions", "rows", value=1499), "volume", "interactions.rows", "block"),
    (put("active", "items", value=20), "volume", "interactions.item_id", "block"),
    (put("shares", "positive", value={"value": 0.99, "error": 0.001}), "shift",
     "interactions.value", "warn"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "check", "feature", "level"), CASES)
def test_a_change_is_reported_with_its_level_and_a_remedy(
    profiled: Profiled, change: Change, check: str, feature: str, level: str
) -> None:
    found = {(each.check, each.name): each for each in bad(profiled, change)}
    assert (check, feature) in found
    entry = found[(check, feature)]
    assert (entry.level, bool(entry.value), bool(entry.expected)) == (level, True, True)
    assert entry.remedy
    # only a column that is gone altogether is also null more often and without any value, and few
    # items are fewer of them
    assert set(found) - {(check, feature)} <= {
        ("nulls", feature), ("features", feature), ("volume", feature),
    }  # fmt: skip


@pytest.mark.parametrize(("change", "check", "feature", "level"), CASES)
def test_a_level_can_be_overridden(
    profiled: Profiled, change: Change, check: str, feature: str, level: str
) -> None:
    for wanted in CheckLevel:
        checks = parse_checks(json.dumps({"levels": {check: wanted.value}}))
        found = {(each.check, each.name): each.level for each in bad(profiled, change, checks)}
        expected = None if wanted is CheckLevel.IGNORE else wanted.value.lower()
        assert found.get((check, feature)) == expected


def test_a_range_of_times_is_reported_in_dates(profiled: Profiled) -> None:
    (found,) = bad(
        profiled, put("tables", "items", "numbers", "release_year", "high", value=4_102_444_800)
    )
    assert (found.name, found.check) == ("items.release_year", "ranges")
    assert "to 2100-01-01" in found.value


def test_a_rule_that_no_event_meets_is_reported_with_the_largest_value(
    profiled: Profiled,
) -> None:
    def low(content: dict[str, Any]) -> None:
        no_positives(content)
        content["tables"]["interactions"]["numbers"]["value"]["largest"] = 3.5

    (found,) = bad(profiled, low)
    assert "0 of" in found.value
    assert "the largest value is 3.5" in found.value
    assert "values of 4 or more are positive" in found.remedy


@pytest.mark.parametrize(
    "change",
    [
        put("tables", "interactions", "rows", value=1500),  # half of 3000, as far as allowed
        put(*USERS, "columns", "age", "nulls", value=0.049),
        put(*USERS, "numbers", "age", "largest", value=120.0),  # one old user is no new range
        put("shares", "positive", value={"value": 0.99, "error": 0.5}),  # as unsure as that
        drop("tables", "items", "categories", "genre"),
    ],
)
def test_small_or_random_changes_are_not_reported(profiled: Profiled, change: Change) -> None:
    assert bad(profiled, change) == []


def test_the_section_sets_the_limits(profiled: Profiled) -> None:
    fewer = put("tables", "interactions", "rows", value=2900)
    assert bad(profiled, fewer) == []
    (found,) = bad(profiled, fewer, parse_checks('{"maxVolumeDrop": 0.01}'))
    assert "2970 or more" in found.expected


def test_a_significant_but_small_difference_is_not_a_shift(profiled: Profiled) -> None:
    other = put("shares", "positive", value={"value": 0.99, "error": 0.0001})
    assert [each.name for each in bad(profiled, other)] == ["interactions.value"]
    assert bad(profiled, other, parse_checks('{"effectFloor": 0.5}')) == []


@pytest.mark.parametrize(
    ("now", "before", "level"),
    [((0, 1000), (0, 1000), "pass"), ((9, 1000), (0, 1000), "pass"),
     ((10, 1000), (0, 1000), "warn"), ((60, 1000), (55, 1000), "pass"),
     ((61, 1000), (55, 1000), "warn")],
)  # fmt: skip
def test_quarantined_rows_are_compared_by_their_share(
    now: tuple[int, int], before: tuple[int, int], level: str
) -> None:
    for check in ("quarantine", "duplicates"):
        findings = Findings(CheckLevels())
        sides = [
            Quarantined(**({"quarantine": {}, "duplicates": {}} | {check: {"users": each}}))
            for each in (now, before)
        ]
        profile_comparison.quarantined(findings, DataChecks(), *sides)
        (found,) = findings.all
        assert (found.check, found.name, found.level) == (check, "users.rows", level)


@pytest.mark.parametrize(
    ("text", "named"),
    [("{", "not JSON"), ('{"levels": {"shift": "Maybe"}}', "data.checks.levels.shift='Maybe'"),
     ('{"maxVolumeDrop": 2}', "data.checks.maxVolumeDrop=2"), ('{"drop": 1}', "checks.drop")],
)  # fmt: skip
def test_a_wrong_section_is_refused_with_field_and_value(text: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_checks(text)
    assert caught.value.reason == "InvalidConfig"
    assert named in caught.value.message


def test_the_worst_of_a_hundred_findings_fit_the_report() -> None:
    levels = ("warn", "block")
    many = [
        Finding("nulls", "users", f"größe{n}" * 9, levels[n % 2], "\u20ac" * 900, "e" * 99, "r")
        for n in range(100)
    ]
    entry = finding.findings_summary(many, "i1.u1.t1-" + "0" * 16).model_dump(mode="json")
    report = termination_report.build_report(
        "check", ok=True, reason="Done", message="m" * 250, checks=entry
    )
    assert json.loads(termination_report.encode(report)) == report  # nothing was cut
    kept = entry["findings"]
    assert isinstance(kept, list)
    assert kept
    assert kept[0]["level"] == "block"
    assert entry["more"] == 100 - len(kept)
    assert (entry["level"], entry["warned"], entry["blocked"]) == ("block", 50, 50)


@pytest.mark.parametrize(("first", "level"), [(40, "pass"), (1000, "warn")])
def test_a_table_of_other_ids_than_those_of_the_events_is_reported(
    tmp_path: Path, first: int, level: str
) -> None:
    """Half of the table has no event in the one case, and the whole table in the other."""
    source, path = tmp_path / "source", tmp_path / "lake"
    events = [event(n % 9, n % 60, START + n) for n in range(300)]
    write(source / "events/a.csv", events)
    write(source / "items.csv", [{"id": first + n, "kind": "book"} for n in range(40)])
    kind = {"name": "kind", "kind": "Categorical"}
    mapping = declare(items={"files": "items.csv", "id": "id", "features": [kind]})
    version = mapped_files.check(source, path, mapping).data_version
    profiled = profile.build_profile(path, version, None)
    found = {each.name: each for each in evaluate_checks(DataChecks(), profiled, None)}
    assert found["items.kind"].level == "pass", "the table itself has values"
    assert found["items.item_id"].level == level
    if level == "warn":
        assert found["items.item_id"].value.startswith("0 of the 60 items of the interactions")
        for words in ("mapping.items.id", "mapping.interactions.item "):
            assert words in found["items.item_id"].remedy
    assert "users.user_id" not in found, "there is no table of users"
