"""Whether a window can be trained on at all: users, items, labels of each part, known users.

These checks need nothing to compare with. Where `train` would refuse the window, they block.
"""

from __future__ import annotations

from recommender_training.data.splits import SHARED_SECOND
from recommender_training.data_checks.finding import Findings
from recommender_training.data_checks.profile import PARTS, Profile

#: With fewer known users, judging on the validation part says nothing of them.
KNOWN_SHARE = 0.05
_LONGER = "add data or lengthen data.window.days"


def check(findings: Findings, profile: Profile) -> None:
    """Add the findings of a profile."""
    users, items = (int(profile["active"][name]) for name in ("users", "items"))
    findings.add(
        "users",
        "interactions.user_id",
        holds=users > 1,
        value=_counted(users, "user"),
        expected="2 or more",
        remedy="what one user likes says nothing of others, and no interval can be told; "
        "map the column that tells users apart",
    )
    findings.add(
        "items",
        "interactions.item_id",
        holds=items > 1,
        value=_counted(items, "item"),
        expected="2 or more",
        remedy="there is nothing to choose from; map the column that tells items apart",
    )
    for part in PARTS:
        rows, positive = (int(profile["labels"][part][key]) for key in ("rows", "positive"))
        findings.add(
            "labels",
            f"interactions.value[{part}]",
            holds=0 < positive < rows,
            value=f"{positive} of {_counted(rows, 'row')} positive",
            expected="positive and other responses in each of the three parts of the window",
            remedy=f"a value from 4 on is positive: check the mapping of values, {_LONGER}"
            if rows
            else SHARED_SECOND,
        )
    judged, known = (int(profile["cold"][key]) for key in ("validationUsers", "known"))
    findings.add(
        "cold",
        "interactions.user_id[validation]",
        holds=known >= KNOWN_SHARE * judged,
        value=f"{known} of {_counted(judged, 'user')} known from the training part",
        expected=f"at least {KNOWN_SHARE:.0%} of them",
        remedy="the model is chosen and judged on new users alone, and what it learned of a user "
        f"is never asked for: {_LONGER}",
    )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
