"""Files of the data checks in the lake: `<lake>/checks/<data version>/`.

`profile.json` depends only on the data version and the window (`profile-90d.json`). `aside.json`
counts the rows quarantined by the check that created the version. `findings.json` has the result
of the last check. `default_segment.json` has the counts of sessions by segment, which depend on
the data version and the window, too. `<lake>/checks/trained.json` has the data version of the last
training.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from recommender_training.common.durable_files import canonical_json, replace_bytes
from recommender_training.data import compaction, snapshots
from recommender_training.data.data_versions import no_newer
from recommender_training.data_checks import profile
from recommender_training.data_checks.finding import Finding, ranked, worst
from recommender_training.data_checks.profile import Profile
from recommender_training.ingestion.quarantine_limits import Quarantined

FOLDER = "checks"
SCHEMA = "recommender.dev/data-checks/v1"


def referenced(lake: Path, artifacts: Path | None, named: Sequence[str]) -> set[str]:
    """Return the data versions in use.

    These are those of artifacts, of the record of snapshots, of the last training, and `named`.
    Raises InputError: ArtifactInvalid, DataMissing, SnapshotsDamaged.
    """
    trained = read_trained(lake)
    last = set() if trained is None else {trained}
    recorded = {each.data_version for each in snapshots.read_snapshots(lake)}
    published = set() if artifacts is None else compaction.kept_by_artifacts(artifacts)
    return published | recorded | last | set(named)


def forget(lake: Path, keep: Collection[str], before: int) -> None:
    """Remove the files of checks of data versions other than `keep`.

    Files written since `before`, in seconds since 1970, stay: a training may read them.
    """
    for path in sorted((lake / FOLDER).glob("*/")):
        if path.name not in keep and path.stat().st_mtime < before:
            shutil.rmtree(path, ignore_errors=True)


def write_profile(lake: Path, content: Profile) -> Path:
    """Write a profile."""
    path = _path(lake, str(content["dataVersion"]), "profile", content["windowDays"])
    replace_bytes(path, canonical_json(content))
    return path


def read_profile(lake: Path, data_version: str, window_days: int | None) -> Profile | None:
    """Return the profile of a data version and window, or None if it has another schema.

    A profile of another version of Polars does not count, since names of types may differ.
    """
    found = _read(_path(lake, data_version, "profile", window_days))
    current = (profile.SCHEMA, pl.__version__)
    if found is None or (found.get("schema"), found.get("polars")) != current:
        return None
    return found


def write_segments(
    lake: Path, data_version: str, window_days: int | None, content: Mapping[str, Any]
) -> None:
    """Write the reference of the watch by segment."""
    replace_bytes(_path(lake, data_version, "segments", window_days), canonical_json(content))


def read_segments(lake: Path, data_version: str, window_days: int | None) -> dict[str, Any] | None:
    """Return the reference of the watch by segment, or None if it is missing or damaged."""
    return _read(_path(lake, data_version, "segments", window_days))


def write_quarantined(lake: Path, data_version: str, found: Quarantined) -> None:
    """Write the counts of the check that created a data version; later checks change nothing."""
    path = _path(lake, data_version, "aside")
    if not path.exists():
        content = {"quarantine": dict(found.quarantine), "duplicates": dict(found.duplicates)}
        replace_bytes(path, canonical_json(content))


def read_quarantined(lake: Path, data_version: str) -> Quarantined | None:
    """Return the counts of quarantined rows of a data version, or None if unknown."""
    found = _read(_path(lake, data_version, "aside"))
    if found is None:
        return None
    quarantine, duplicates = (
        {table: (int(bad), int(rows)) for table, (bad, rows) in found[kind].items()}
        for kind in ("quarantine", "duplicates")
    )
    return Quarantined(quarantine, duplicates)


def record_quarantined(lake: Path, data_version: str, found: Quarantined) -> Quarantined:
    """Write the counts of a new data version, and return those that apply to the version.

    A later check reads no file again and finds no duplicates. Then the duplicates found when the
    version was created apply.
    """
    write_quarantined(lake, data_version, found)
    known = read_quarantined(lake, data_version)
    if known is None or any(rows for _, rows in found.duplicates.values()):
        return found
    return Quarantined(found.quarantine, known.duplicates)


def write_findings(
    lake: Path, now: Profile, compared_with: str | None, findings: Sequence[Finding]
) -> Path:
    """Write all findings, worst level first; return the path."""
    content = {
        "schema": SCHEMA,
        "dataVersion": now["dataVersion"],
        "windowDays": now["windowDays"],
        "comparedWith": compared_with,
        "level": worst(findings),
        "findings": [finding.to_json() for finding in ranked(findings)],
    }
    path = _path(lake, str(now["dataVersion"]), "findings", now["windowDays"])
    replace_bytes(path, canonical_json(content))
    return path


def read_findings(lake: Path, data_version: str, window_days: int | None) -> dict[str, Any] | None:
    """Return the last findings of a data version and window in the form of the evaluation report.

    Returns None without a check, or if the file is damaged or of another release.
    """
    found = _read(_path(lake, data_version, "findings", window_days))
    if found is None or found.get("schema") != SCHEMA:
        return None
    return {key: found[key] for key in ("windowDays", "comparedWith", "level", "findings")}


def past_reference(lake: Path, data_version: str, window_days: int | None) -> str | None:
    """Return the default data version to compare a past one with, or None.

    This is the reference of its last check, else the data version of the last training unless it
    is newer.
    """
    found = read_findings(lake, data_version, window_days)
    if found is not None:
        then = found["comparedWith"]
        return None if then is None else str(then)
    trained = read_trained(lake)
    return trained if trained is not None and no_newer(trained, data_version) else None


def write_trained(lake: Path, data_version: str) -> None:
    """Record the data version of a training."""
    replace_bytes(lake / FOLDER / "trained.json", canonical_json({"dataVersion": data_version}))


def read_trained(lake: Path) -> str | None:
    """Return the data version of the last training, or None."""
    found = _read(lake / FOLDER / "trained.json")
    return None if found is None else str(found["dataVersion"])


def _path(lake: Path, data_version: str, name: str, window_days: int | None = None) -> Path:
    window = "" if window_days is None else f"-{window_days}d"
    return lake / FOLDER / data_version / f"{name}{window}.json"


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):  # a damaged file is written again
        return None
    return found if isinstance(found, dict) else None
