"""Run the checks of a data version: profile it, compare it, write the findings.

The reference is the champion's data version if the caller gives it, else that of the last training
on this lake (docs/adr/0007-data-checks-against-the-champion.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from recommender_contract.job_reports import CheckSummary
from recommender_contract.resource.checks import DataChecks
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.data_checks import (
    fitness,
    lake_files,
    profile,
    profile_comparison,
    schema_check,
    segment_watch,
    session_shift,
)
from recommender_training.data_checks.finding import (
    Finding,
    Findings,
    findings_summary,
    named,
    of_level,
)
from recommender_training.data_checks.policy import Watch
from recommender_training.data_checks.profile import Profile, Profiled
from recommender_training.ingestion.quarantine_limits import Quarantined


@dataclass(frozen=True)
class Outcome:
    """Result of the checks of a data version."""

    findings: Sequence[Finding]
    compared_with: str | None
    path: Path

    @property
    def blocked(self) -> list[Finding]:
        """Findings that block a training on the data."""
        return of_level(self.findings, "block")

    @property
    def warned(self) -> list[Finding]:
        """Findings that warn."""
        return of_level(self.findings, "warn")

    def text(self) -> str:
        """Return the reference and the findings that do not pass as text."""
        if self.compared_with:
            parts = [f"compared with {self.compared_with}"]
        else:
            parts = ["not compared, since no reference data version is available"]
        for title, found in (("blocked by", self.blocked), ("warnings:", self.warned)):
            if found:
                parts.append(f"{title} {named(found)}")
        return "; ".join(parts)

    def summary(self) -> CheckSummary:
        """`checks` of the report."""
        return findings_summary(self.findings, self.compared_with)


def run_checks(
    lake: Path,
    data_version: str,
    checks: DataChecks,
    *,
    window_days: int | None = None,
    against: str | None = None,
    quarantined: Quarantined | None = None,
    past: bool = False,
) -> Outcome:
    """Check a data version of the lake, and write profile and findings into the lake.

    `quarantined` counts the rows quarantined by the ingestion. Without `against`, a version of the
    `past` is compared with the reference of that time.
    """
    say(f"check: profile of {data_version}")
    now = profile.build_profile(lake, data_version, window_days)
    lake_files.write_profile(lake, now.profile)
    if quarantined is not None:
        quarantined = lake_files.record_quarantined(lake, data_version, quarantined)
    reference = against or _default_reference(lake, data_version, window_days, past)
    before = _reference_profile(lake, reference, window_days)
    findings = evaluate_checks(checks, now, before)
    compared_with = None if before is None else str(before["dataVersion"])
    then = None if compared_with is None else lake_files.read_quarantined(lake, compared_with)
    if quarantined is not None and then is not None:
        collected = Findings(checks.levels)
        profile_comparison.quarantined(collected, checks, quarantined, then)
        findings += collected.all
    if compared_with is not None:
        findings += _by_segment(lake, data_version, compared_with, checks, window_days)
    path = lake_files.write_findings(lake, now.profile, compared_with, findings)
    return Outcome(findings, compared_with, path)


def _by_segment(
    lake: Path, data_version: str, against: str, checks: DataChecks, window_days: int | None
) -> list[Finding]:
    """Return the findings of the sessions since the reference, by segment."""
    watch = Watch(alpha=min(checks.alpha, 0.2), effect_floor=checks.effect_floor)
    watched = segment_watch.watch_segments(lake, data_version, against, watch, window_days)
    collected = Findings(checks.levels)
    if watched is not None and watched.seen is not None:
        segment_watch.conclude(collected, watched.seen)
    elif watched is not None:
        say(f"check: segments: {watched.message}")
    return collected.all


def _default_reference(
    lake: Path, data_version: str, window_days: int | None, past: bool
) -> str | None:
    if past:
        return lake_files.past_reference(lake, data_version, window_days)
    return lake_files.read_trained(lake)


def evaluate_checks(checks: DataChecks, now: Profiled, before: Profile | None) -> list[Finding]:
    """Return the findings of a profile, and of its comparison with the reference if given."""
    findings = Findings(checks.levels)
    fitness.check_fitness(findings, now.profile)
    schema_check.check_schema(findings, now.profile)
    if before is not None:
        profile_comparison.compare_profiles(findings, checks, now.profile, before)
        tests = [
            *profile_comparison.null_tests(checks, now.profile, before),
            *session_shift.session_tests(checks, now.profile, now.sessions, before),
        ]
        session_shift.conclude(findings, checks, tests)
    return findings.all


def _reference_profile(
    lake: Path, data_version: str | None, window_days: int | None
) -> Profile | None:
    """Return the profile of the reference for the same window; build it if it is missing."""
    if data_version is None:
        return None
    found = lake_files.read_profile(lake, data_version, window_days)
    if found is not None:
        return found
    try:
        built = profile.build_profile(lake, data_version, window_days).profile
    except (InputError, pl.exceptions.PolarsError, OSError) as error:
        say(f"check: cannot compare with {data_version} ({error})")
        return None
    lake_files.write_profile(lake, built)
    return built
