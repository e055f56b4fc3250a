"""Watch the sessions since a training by segment, as they are in the lake.

The reference depends on a data version and a window alone, so it is stored beside the profile and
built again if it is missing (docs/adr/0100-input-drift-by-segment.md).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from recommender_contract.job_reports import SegmentShift, SegmentShifts
from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureSchema
from recommender_training.data import splits, version_content
from recommender_training.data_checks import lake_files, segment_rows, segment_shift
from recommender_training.data_checks.changed_encodings import changed_encodings
from recommender_training.data_checks.finding import Findings
from recommender_training.data_checks.policy import Watch
from recommender_training.data_checks.segment_rows import SECONDS_A_DAY
from recommender_training.data_checks.segment_shift import Reference, Seen, Shift

SCHEMA = "recommender.dev/segments/v1"
REMEDY = (
    "check what sends the feature in this segment (an app, a page, a country); if users changed, "
    "retrain (data.checks.levels.segments)"
)
#: Newest whole days that are looked at: a small segment that fills no window in them is not seen.
MOST_DAYS = 28
#: Most shifts of a summary, and characters of a text.
_MOST, _MOST_TEXT = 5, 120


@dataclass(frozen=True)
class Watched:
    """Result of the watch; without a comparison `seen` is None, and `message` has the reason."""

    compared_with: str
    until: int | None = None
    seen: Seen | None = None
    message: str = ""

    def text(self) -> str:
        """Return the result as text."""
        if self.seen is None:
            return f"segments: {self.message}"
        told = "; ".join(each.named() for each in self.seen.shifts[:_MOST]) or "no shift"
        counts = f"{self.seen.segments} segments, {self.seen.others} with too few sessions"
        return f"segments compared with {self.compared_with}: {told} ({counts})"

    def summary(self) -> SegmentShifts:
        """Return `segments` of the report of a snapshot."""
        if self.seen is None or self.until is None:
            return SegmentShifts(
                compared_with=self.compared_with, message=self.message[:_MOST_TEXT]
            )
        shifts = self.seen.shifts
        return SegmentShifts(
            compared_with=self.compared_with,
            until=datetime.datetime.fromtimestamp(self.until, datetime.UTC),
            segments=self.seen.segments,
            small=self.seen.others,
            shifts=tuple(map(_reported, shifts[:_MOST])),
            more=max(0, len(shifts) - _MOST),
        )


def _reported(shift: Shift) -> SegmentShift:
    return SegmentShift(
        feature=shift.feature,
        segment=shift.segment,
        value=shift.value,
        message=shift.text[:_MOST_TEXT],
    )


def conclude(findings: Findings, seen: Seen) -> None:
    """Add a finding for each feature that shifted in a segment, or one that none did."""
    for each in seen.shifts:
        findings.add(
            "segments",
            f"sessions.{each.feature}[{each.segment}={each.value}]",
            holds=False,
            value=each.text,
            expected="the distribution of the training in this segment",
            remedy=REMEDY,
        )
    if not seen.shifts and seen.segments:
        findings.add(
            "segments",
            "sessions.features",
            holds=True,
            value=f"no shift in {seen.segments} segments, {seen.others} have too few sessions",
            expected="the distribution of the training in each segment",
            remedy="",
        )


def watch_segments(
    lake: Path, data_version: str, against: str, watch: Watch, window_days: int | None
) -> Watched | None:
    """Compare the sessions since the data version `against` with its own, by segment.

    Returns None if no feature divides sessions. Nothing that it meets fails its caller.
    """
    try:
        return _run(lake, data_version, against, watch, window_days)
    except (InputError, pl.exceptions.PolarsError, OSError) as error:
        return Watched(against, message=f"cannot compare with {against}: {error}")


def _run(
    lake: Path, data_version: str, against: str, watch: Watch, window_days: int | None
) -> Watched | None:
    now = version_content.scan_version(lake, data_version)
    if not now.declaration.dividing:
        return None
    content = _reference(lake, against, window_days)
    known = Reference.read(content)
    left_out = changed_encodings(
        {"declaration": json.loads(now.declaration.text())},
        {"declaration": content["declaration"]},
    )
    time = pl.col("timestamp")
    newest = now.tables["interactions"].select(time.max()).collect(engine="streaming").item()
    end = (int(newest or 0) + 1) // SECONDS_A_DAY * SECONDS_A_DAY - 1
    first = max(int(content["last"]) + 1, end - MOST_DAYS * SECONDS_A_DAY + 1)
    if first > end:
        return Watched(against, message="no whole day since the training yet")
    frame = segment_rows.read_segment_rows(now.tables, now.declaration, first, end)
    reference = replace(
        known,
        features=tuple(each for each in known.features if each.name not in left_out),
        groups=tuple(
            each
            for each in known.groups
            if each.bins.name not in left_out and each.bins.name in frame.columns
        ),
    )
    return Watched(against, end, segment_shift.judge(watch, reference, frame))


def _reference(lake: Path, data_version: str, window_days: int | None) -> Mapping[str, Any]:
    """Return the reference of a data version; build and write it if it is missing."""
    found = lake_files.read_segments(lake, data_version, window_days)
    if found is not None and found.get("schema") == SCHEMA:
        return found
    scans = version_content.scan_version(lake, data_version)
    time = pl.col("timestamp")
    ends = scans.tables["interactions"].select(time.min().alias("first"), time.max().alias("last"))
    first, last = ends.collect(engine="streaming").row(0)
    if first is None:
        raise InputError("NoRowsInWindow", "it has no interactions")
    content = build_reference(
        scans.tables, scans.declaration, *splits.window(first, last, window_days)
    )
    lake_files.write_segments(lake, data_version, window_days, content)
    return content


def build_reference(
    tables: dict[str, pl.LazyFrame], declared: FeatureSchema, first: int, last: int
) -> dict[str, Any]:
    """Return the content of a reference."""
    frame = segment_rows.read_segment_rows(tables, declared, first, last)
    return {
        "schema": SCHEMA,
        "last": last,
        "declaration": json.loads(declared.text()),
        **Reference.of(frame, declared).to_json(),
    }
