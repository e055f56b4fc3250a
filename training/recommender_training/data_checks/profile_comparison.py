"""Compare two data versions: schema, nulls, ranges, categories, volume, quarantined rows."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from typing import Any

from recommender_contract.resource.checks import DataChecks
from recommender_training.data_checks.changed_encodings import changed_encodings
from recommender_training.data_checks.finding import Findings
from recommender_training.data_checks.profile import Profile
from recommender_training.data_checks.session_shift import Comparison
from recommender_training.ingestion.quarantine_limits import Quarantined

#: Categories with a smaller share of the rows may disappear without a finding.
LOST_CATEGORY = 0.01
#: Fewer quarantined rows than this are never a finding.
MIN_QUARANTINED = 10
_TABLES = ("interactions", "users", "items")
_UPSTREAM = "check the export; if the change is intended, set data.checks.levels."


def compare_profiles(
    findings: Findings, checks: DataChecks, now: Profile, before: Profile
) -> None:
    """Add the findings that need no statistical test."""
    left_out = changed_encodings(now, before)
    for table in _TABLES:
        current, reference = now["tables"][table], before["tables"][table]
        _schema(findings, table, current["columns"], reference["columns"])
        _lost(findings, table, current, reference)
        _ranges(findings, table, current, reference)
        _categories(findings, table, current, reference, left_out)
    sizes = {
        "rows": [int(each["tables"]["interactions"]["rows"]) for each in (now, before)],
        "user_id": [int(each["active"]["users"]) for each in (now, before)],
        "item_id": [int(each["active"]["items"]) for each in (now, before)],
    }
    for name, (current, reference) in sizes.items():
        _volume(findings, checks, name, current, reference)


def _schema(findings: Findings, table: str, here: dict[str, Any], there: dict[str, Any]) -> None:
    """Compare columns and types, which follow the declarations of both versions."""
    for column, facts in sorted(there.items()):
        found = here[column]["type"] if column in here else "no longer declared"
        findings.add(
            "schema",
            f"{table}.{column}",
            holds=found == facts["type"],
            value=found,
            expected=facts["type"],
            remedy="check the features of the mapping; if the change is intended, set "
            "data.checks.levels.schema: Warn",
        )


def _lost(findings: Findings, table: str, here: dict[str, Any], there: dict[str, Any]) -> None:
    if not here["rows"]:
        return
    for column, facts in sorted(there["columns"].items()):
        if facts["nulls"] >= 1 or not there["rows"] or column not in here["columns"]:
            continue
        nulls = here["columns"][column]["nulls"]
        findings.add(
            "lost",
            f"{table}.{column}",
            holds=nulls < 1,
            value=f"null in {format_share(nulls)} of the rows",
            expected=f"values, as before ({format_share(facts['nulls'])} null)",
            remedy=f"{_UPSTREAM}lost: Warn",
        )


def null_tests(checks: DataChecks, now: Profile, before: Profile) -> Iterator[Comparison]:
    """Yield tests for higher null shares: by row for users and items, by user for interactions."""
    for table in _TABLES:
        here, there = now["tables"][table], before["tables"][table]
        for column in sorted(here["columns"].keys() & there["columns"].keys()):
            name = f"nulls.{column}"
            if table == "interactions" and name not in now["shares"]:
                continue
            values = []
            for each, profile in ((here, now), (there, before)):
                nulls = float(each["columns"][column]["nulls"])
                if table == "interactions":
                    error = float(profile["shares"].get(name, {}).get("error", 0.0))
                else:
                    error = math.sqrt(nulls * (1 - nulls) / max(each["rows"], 1))
                values.append((nulls, error))
            if values[1][0] < 1:
                yield Comparison.of_shares(
                    "nulls", f"{table}.{column}", values[0], values[1],
                    floor=checks.max_null_increase, noun="null", only_more=True,
                )  # fmt: skip


def _ranges(findings: Findings, table: str, here: dict[str, Any], there: dict[str, Any]) -> None:
    types = {column: facts["type"] for column, facts in there["columns"].items()}
    for column, was in sorted(there["numbers"].items()):
        is_ = here["numbers"].get(column)
        if was is None or is_ is None:
            continue
        findings.add(
            "ranges",
            f"{table}.{column}",
            holds=is_["low"] >= was["least"] and is_["high"] <= was["largest"],
            value=f"{_span(types, column, is_['low'], is_['high'])}, without 1 % at each end",
            expected=f"{_span(types, column, was['least'], was['largest'])}, the range before",
            remedy="the unit or the scale may have changed: " + _UPSTREAM + "ranges: Ignore",
        )


def _span(types: dict[str, str], column: str, low: float, high: float) -> str:
    """Return the two ends of a range as text; those of a Timestamp as dates."""
    if types[column] == "Int64":
        epoch = datetime.date(1970, 1, 1)
        low_, high_ = (epoch + datetime.timedelta(seconds=end) for end in (low, high))
        return f"from {low_} to {high_}"
    return f"from {low:g} to {high:g}"


def _categories(
    findings: Findings,
    table: str,
    here: dict[str, Any],
    there: dict[str, Any],
    left_out: frozenset[str],
) -> None:
    for column, was in sorted(there["categories"].items()):
        is_ = here["categories"].get(column)
        if is_ is None or column in left_out or not was["counts"] or not is_["counts"]:
            continue
        rows = sum(was["counts"].values()) + was["others"]
        least = LOST_CATEGORY * rows
        new = [name for name in is_["counts"] if name not in was["counts"]]
        gone = [n for n, k in was["counts"].items() if n not in is_["counts"] and k >= least]
        if was["others"]:  # a new category may be one of these
            new = []
        if is_["others"]:
            gone = []
        changes = [f"new {_listed(new)}"] if new else []
        changes += [f"gone {_listed(gone)}"] if gone else []
        findings.add(
            "categories",
            f"{table}.{column}",
            holds=not changes,
            value=", ".join(changes) or f"{len(is_['counts'])} categories",
            expected=f"the same {len(was['counts'])} categories as before",
            remedy="a new spelling is a new category: " + _UPSTREAM + "categories: Ignore",
        )


def _volume(findings: Findings, checks: DataChecks, name: str, here: int, there: int) -> None:
    least = math.ceil((1 - checks.max_volume_drop) * there)
    findings.add(
        "volume",
        f"interactions.{name}",
        holds=here >= least,
        value=f"{here} in the window",
        expected=f"{least} or more ({there} before, data.checks.maxVolumeDrop "
        f"{checks.max_volume_drop:g})",
        remedy="check for a missing or incomplete export, or raise data.checks.maxVolumeDrop",
    )


def quarantined(
    findings: Findings, checks: DataChecks, now: Quarantined, before: Quarantined
) -> None:
    """Add findings on quarantined rows."""
    for check, noun, current, reference in (
        ("quarantine", "quarantined", now.quarantine, before.quarantine),
        ("duplicates", "duplicates", now.duplicates, before.duplicates),
    ):
        for table, (bad, rows) in sorted(current.items()):
            was_bad, was_rows = reference.get(table, (0, 0))
            if not rows or not was_rows:
                continue
            limit = was_bad / was_rows + checks.max_quarantine_increase
            findings.add(
                check,
                f"{table}.rows",
                holds=bad < MIN_QUARANTINED or bad / rows <= limit,
                value=f"{bad} of {rows} rows are {noun} ({format_share(bad / rows)})",
                expected=f"at most {format_share(limit)} "
                f"({format_share(was_bad / was_rows)} before)",
                remedy="see the reasons in the quarantine table; if the change is intended, raise "
                "data.checks.maxQuarantineIncrease",
            )


def format_share(value: float) -> str:
    """Format a share as a percentage."""
    return f"{value:.2%}"


def _listed(names: list[str], most: int = 5) -> str:
    listed = ", ".join(repr(name) for name in names[:most])
    return listed + (f" and {len(names) - most} more" if len(names) > most else "")
