"""The checks of a data version: profile it, compare it, write what was found.

Compared is with the data of the version in place, as the caller names it, else with that of the
last training in this lake (docs/adr/0007-what-data-is-compared-with.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.data_checks import compare, fitness, lake_files, profile, shift
from recommender_training.data_checks.finding import Finding, Findings, named, of_level, summary
from recommender_training.data_checks.policy import Checks
from recommender_training.data_checks.profile import Profile, Profiled
from recommender_training.ingestion.quarantine_limits import Aside


@dataclass(frozen=True)
class Outcome:
    """What the checks say of a data version."""

    findings: Sequence[Finding]
    compared_with: str | None
    path: Path
    past: bool = False

    @property
    def blocked(self) -> list[Finding]:
        """What must be mended before anything is trained on the data."""
        return of_level(self.findings, "block")

    @property
    def warned(self) -> list[Finding]:
        """What a human should know."""
        return of_level(self.findings, "warn")

    def words(self) -> str:
        """What does not hold, and what was compared, in a sentence each."""
        nothing = "nothing, for nothing was trained " + ("before it" if self.past else "yet")
        against = self.compared_with or nothing
        told = [f"compared with {against}"]
        for title, found in (("blocked by", self.blocked), ("warned of", self.warned)):
            if found:
                told.append(f"{title} {named(found)}")
        return "; ".join(told)

    def summary(self) -> dict[str, object]:
        """`checks` of the report."""
        return summary(self.findings, self.compared_with)


def run(
    lake: Path,
    data_version: str,
    checks: Checks,
    *,
    window_days: int | None = None,
    against: str | None = None,
    aside: Aside | None = None,
    past: bool = False,
) -> Outcome:
    """Check a data version of the lake and write profile and findings beside its tables.

    `aside` is what the reading of the source put aside. Where `against` names nothing, a version
    of the `past` is compared as it was then.
    """
    say(f"check: profile of {data_version}")
    now = profile.build(lake, data_version, window_days)
    lake_files.write_profile(lake, now.profile)
    if aside is not None:
        aside = lake_files.settle_aside(lake, data_version, aside)
    wanted = against or _default_against(lake, data_version, window_days, past)
    before = _baseline(lake, wanted, window_days)
    findings = evaluate(checks, now, before)
    compared_with = None if before is None else str(before["dataVersion"])
    then = None if compared_with is None else lake_files.read_aside(lake, compared_with)
    if aside is not None and then is not None:
        put_aside = Findings(checks.levels)
        compare.aside(put_aside, checks, aside, then)
        findings += put_aside.all
    path = lake_files.write_findings(lake, now.profile, compared_with, findings)
    return Outcome(findings, compared_with, path, past)


def _default_against(
    lake: Path, data_version: str, window_days: int | None, past: bool
) -> str | None:
    if past:
        return lake_files.compared_then(lake, data_version, window_days)
    return lake_files.read_trained(lake)


def evaluate(checks: Checks, now: Profiled, before: Profile | None) -> list[Finding]:
    """The findings of a profile, and of its comparison with the one before, if there is one."""
    findings = Findings(checks.levels)
    fitness.check(findings, now.profile)
    if before is not None:
        compare.check(findings, checks, now.profile, before)
        tests = [
            *compare.null_tests(checks, now.profile, before),
            *shift.session_tests(checks, now.profile, now.sessions, before),
        ]
        shift.conclude(findings, checks, tests)
    return findings.all


def _baseline(lake: Path, data_version: str | None, window_days: int | None) -> Profile | None:
    """The profile to compare with, through the same window; made anew where there is none."""
    if data_version is None:
        return None
    found = lake_files.read_profile(lake, data_version, window_days)
    if found is not None:
        return found
    try:
        made = profile.build(lake, data_version, window_days).profile
    except (InputError, pl.exceptions.PolarsError, OSError) as error:
        say(f"check: {data_version} cannot be compared with ({error})")
        return None
    lake_files.write_profile(lake, made)
    return made
