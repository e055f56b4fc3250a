"""Test for shifts of distributions between two windows: one row per session, by user.

A shift counts if it is beyond chance after Holm's correction for all tests of the check, and above
its effect floor. Overlapping windows share users, which makes the tests conservative.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from recommender_contract.resource.checks import DataChecks
from recommender_training.artifact import reference
from recommender_training.common.arrays import Ints
from recommender_training.data_checks.changed_encodings import changed_encodings
from recommender_training.data_checks.finding import Findings
from recommender_training.data_checks.profile import Profile
from recommender_training.data_checks.sample import Sessions
from recommender_training.statistics import two_samples
from recommender_training.statistics.design_effect import design_effect

#: Fewest users of a window for a valid test.
MIN_USERS = 20
_REMEDY = {
    "nulls": "check the export for missing values, or raise data.checks.maxNullIncrease",
    "shift": "expected if users or items changed, which a retraining learns; otherwise check the "
    "source (data.checks.effectFloor, data.checks.levels.shift)",
}


@dataclass(frozen=True)
class Comparison:
    """Comparison of two windows: effect size and p-value."""

    check: str
    feature: str
    effect: float
    floor: float
    p_value: float
    text: str

    @classmethod
    def of_shares(
        cls,
        check: str,
        feature: str,
        now: tuple[float, float],
        before: tuple[float, float],
        *,
        floor: float,
        noun: str,
        only_more: bool = False,
    ) -> Comparison:
        """Compare two shares, each with its standard error."""
        effect = now[0] - before[0]
        return cls(
            check,
            feature,
            max(0.0, effect) if only_more else abs(effect),
            floor,
            two_samples.differs(*now, *before),
            f"{noun} {now[0]:.2%}, {before[0]:.2%} before",
        )


def session_tests(
    checks: DataChecks, now: Profile, seen: Sessions, before: Profile
) -> Iterator[Comparison]:
    """Yield tests of the histograms, of missing values, and of the share of positive responses."""
    if min(now["active"]["users"], before["active"]["users"]) >= MIN_USERS:
        yield Comparison.of_shares(
            "shift", "interactions.value", _share(now["shares"]["positive"]),
            _share(before["shares"]["positive"]), floor=checks.effect_floor, noun="positive",
        )  # fmt: skip
    was = before["sessions"]
    if min(int(now["sessions"]["users"]), int(was["users"])) < MIN_USERS:
        return
    missing = {each["name"]: each["missing"] for each in now["sessions"]["features"]}
    left_out = changed_encodings(now, before)
    for feature in was["features"]:
        name = str(feature["name"])
        if name in left_out:
            continue
        yield Comparison.of_shares(
            "nulls", f"sessions.{name}", _share(missing[name]), _share(feature["missing"]),
            floor=checks.max_null_increase, noun="missing", only_more=True,
        )  # fmt: skip
        yield from _histogram(checks, feature, seen)


def conclude(findings: Findings, checks: DataChecks, tests: Sequence[Comparison]) -> None:
    """Add a finding for each test, with p-values corrected for the number of tests."""
    adjusted = two_samples.holm([test.p_value for test in tests])
    for test, p_value in zip(tests, adjusted, strict=True):
        limit = f"{test.floor:g}"
        findings.add(
            test.check,
            test.feature,
            holds=test.effect < test.floor or test.effect == 0 or p_value > checks.alpha,
            value=f"{test.text} (corrected p {p_value:.2g})",
            expected=f"a distance below {limit}, or by chance (p above {checks.alpha:g})"
            if test.check == "shift"
            else f"no increase by {limit}, or by chance (p above {checks.alpha:g})",
            remedy=_REMEDY[test.check],
        )


def _histogram(
    checks: DataChecks, feature: dict[str, Any], seen: Sessions
) -> Iterator[Comparison]:
    name = str(feature["name"])
    user_S, bin_S, names = place(feature, seen)
    before_K = np.zeros(len(names))
    before_K[: len(feature["counts"])] = feature["counts"]
    if len(user_S) == 0 or before_K.sum() == 0:
        return
    now_K = np.bincount(bin_S, minlength=len(names)).astype(np.float64)
    one_K = two_samples.effective(now_K, design_effect(user_S, bin_S))
    other_K = two_samples.effective(before_K, float(feature["designEffect"]))
    effect = two_samples.distance(one_K, other_K)
    p_value = two_samples.homogeneity(one_K, other_K)
    here_K, there_K = now_K / now_K.sum(), before_K / before_K.sum()
    most = int(np.argmax(np.abs(here_K - there_K)))
    text = (
        f"distance {effect:.3f}, {names[most]} {here_K[most]:.1%} of the sessions, "
        f"{there_K[most]:.1%} before"
    )
    yield Comparison("shift", f"sessions.{name}", effect, checks.effect_floor, p_value, text)


def place(feature: dict[str, Any], seen: Sessions) -> tuple[Ints, Ints, list[str]]:
    """Return users and bins of the sessions with a value, in the bins of a reference feature.

    The third result names the bins. New categories get additional bins at the end.
    """
    name, numeric = str(feature["name"]), feature["kind"] == "numeric"
    unknown = (None,) if numeric else (None, reference.UNKNOWN)
    pairs = zip(*reference.one_by_one(seen.user_S.tolist(), seen.columns[name]), strict=True)
    known = [(user, value) for user, value in pairs if value is not None and value not in unknown]
    if numeric:
        edges = [float(edge) for edge in feature["edges"]]
        codes = [bisect_right(edges, value) for _, value in known]
        names = _between(edges)
    else:
        own = seen.categories[name]
        both = [*feature["categories"], *(c for c in own if c not in feature["categories"])]
        index = {category: code for code, category in enumerate(both)}
        codes = [index[own[int(value)]] for _, value in known]
        names = [repr(category) for category in both]
    users = np.array([user for user, _ in known], dtype=np.int64)
    return users, np.array(codes, dtype=np.int64), names


def _between(edges: list[float]) -> list[str]:
    if not edges:
        return ["all"]
    inner = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return [f"below {edges[0]:g}", *inner, f"from {edges[-1]:g}"]


def _share(fact: dict[str, float]) -> tuple[float, float]:
    return float(fact["value"]), float(fact["error"])
