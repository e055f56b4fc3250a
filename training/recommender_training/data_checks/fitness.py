"""Check that a window is fit for training: users, items, labels of each part, known users, and
that no single user has a large share of the positive rows.

These checks need no reference data. They block windows that `train` would refuse.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recommender_training.data.splits import ALL_POSITIVE, SHARED_SECOND
from recommender_training.data_checks.finding import Findings
from recommender_training.data_checks.profile import PARTS, Profile

#: Least share of validation users with training data; below it, the metrics say nothing of them.
KNOWN_SHARE = 0.05
#: A user may have this share of the positive rows of a part, or this many times the mean of its
#: users if that is more. In MovieLens 100K the largest has 6 to 8 times the mean in each part.
USER_SHARE, TIMES_THE_MEAN = 0.01, 20
_LONGER = "add data or lengthen data.window.days"


def check_fitness(findings: Findings, profile: Profile) -> None:
    """Add the findings of a profile."""
    users, items = (int(profile["active"][name]) for name in ("users", "items"))
    findings.add(
        "users",
        "interactions.user_id",
        holds=users > 1,
        value=_counted(users, "user"),
        expected="2 or more",
        remedy="one user is too few to train and evaluate on: map the column that identifies "
        "users",
    )
    findings.add(
        "items",
        "interactions.item_id",
        holds=items > 1,
        value=_counted(items, "item"),
        expected="2 or more",
        remedy="a recommender needs items to choose from: map the column that identifies items",
    )
    values = profile["tables"]["interactions"]["numbers"]["value"]
    highest = f" (the largest value is {values['largest']:g})" if values else ""
    for part in PARTS:
        rows, positive = (int(profile["labels"][part][key]) for key in ("rows", "positive"))
        findings.add(
            "labels",
            f"interactions.value[{part}]",
            holds=0 < positive < rows,
            value=f"{positive} of {_counted(rows, 'row')} positive{'' if positive else highest}",
            expected="positive and other responses in each of the three parts of the window",
            remedy=_remedy(profile.get("declaration", {}).get("label"), rows)
            + (ALL_POSITIVE if 0 < rows == positive else ""),
        )
    _cold(findings, profile)
    concentration(findings, profile)


def _remedy(label: Mapping[str, Any] | None, rows: int) -> str:
    """Remedy for a part whose responses are all alike, or that has none."""
    if label is None:
        mapped = f"values of 4 or more are positive: check the mapping of values, {_LONGER}"
        return mapped if rows else SHARED_SECOND
    if "attribution" in label:
        return (
            "impressions are positive if one of positiveTypes follows within attribution.hours: "
            f"check the three settings of mapping.label, or {_LONGER}"
        )
    return f"check minimumValue, positiveTypes and negatives of mapping.label, or {_LONGER}"


def _cold(findings: Findings, profile: Profile) -> None:
    evaluated, known = (int(profile["cold"][key]) for key in ("validationUsers", "known"))
    findings.add(
        "cold",
        "interactions.user_id[validation]",
        holds=known >= KNOWN_SHARE * evaluated,
        value=f"{known} of {_counted(evaluated, 'user')} known from the training part",
        expected=f"at least {KNOWN_SHARE:.0%} of them",
        remedy="the model is chosen and evaluated almost only on new users, so what it learns "
        f"about users is not measured: {_LONGER}",
    )


def concentration(findings: Findings, profile: Mapping[str, Any]) -> None:
    """Add the share of one user in the positive rows of each part.

    Who it is stays out of reports, status and metrics: ids of users are personal data.
    """
    for part in PARTS:
        positive = int(profile["labels"][part]["positive"])
        users, most = (int(profile["largest"][part][key]) for key in ("users", "positive"))
        limit = min(max(USER_SHARE, TIMES_THE_MEAN / max(users, 1)), 1.0)
        findings.add(
            "concentration",
            f"interactions.user_id[{part}]",
            holds=most <= limit * positive,
            value=f"{most} of {_counted(positive, 'positive row')} "
            f"({most / max(positive, 1):.2%}) of one user",
            expected=f"at most {limit:.2%} for {_counted(users, 'user')} with positive rows",
            remedy="a bot or a test account may decide what is learned: count the rows of each "
            "user in the raw data and erase it, or set data.checks.levels.concentration: Ignore",
        )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
