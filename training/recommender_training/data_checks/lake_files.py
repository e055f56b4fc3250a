"""The files of the checks beside the tables: `<lake>/checks/<data version>/`.

`profile.json` is a function of the data version and the window (`profile-90d.json`), `aside.json`
has the rows put aside by the check that made the version, `findings.json` is what the last
check of it said. `<lake>/checks/trained.json` names the data version of the last training.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from recommender_training.common.durable_files import canonical_json, write_bytes
from recommender_training.data import compaction, snapshots
from recommender_training.data.lake import no_newer
from recommender_training.data_checks import profile
from recommender_training.data_checks.finding import Finding, ranked, worst
from recommender_training.data_checks.profile import Profile
from recommender_training.ingestion.quarantine_limits import Aside

FOLDER = "checks"
SCHEMA = "recommender.dev/data-checks/v1"


def referenced(lake: Path, artifacts: Path | None, named: Sequence[str]) -> set[str]:
    """Data versions that somebody may ask for again.

    Those of artifacts, where there are any, of the record of snapshots, of the last training, and
    `named`. Raises InputError: ArtifactInvalid, DataMissing, SnapshotsDamaged.
    """
    trained = read_trained(lake)
    last = set() if trained is None else {trained}
    taken = {each.data_version for each in snapshots.read(lake)}
    published = set() if artifacts is None else compaction.kept_by_artifacts(artifacts)
    return published | taken | last | set(named)


def forget(lake: Path, keep: Collection[str], before: int) -> None:
    """Remove what checks have written of data versions other than `keep`.

    What was written since `before`, in seconds since 1970, stays: a training may read it.
    """
    for path in sorted((lake / FOLDER).glob("*/")):
        if path.name not in keep and path.stat().st_mtime < before:
            shutil.rmtree(path, ignore_errors=True)


def write_profile(lake: Path, content: Profile) -> Path:
    """Write a profile."""
    path = _path(lake, str(content["dataVersion"]), "profile", content["windowDays"])
    _replace(path, content)
    return path


def read_profile(lake: Path, data_version: str, window_days: int | None) -> Profile | None:
    """The profile of a data version and window, if it was written in today's terms.

    Names of types are those of polars, and another version of it may have others.
    """
    found = _read(_path(lake, data_version, "profile", window_days))
    today = (profile.SCHEMA, pl.__version__)
    if found is None or (found.get("schema"), found.get("polars")) != today:
        return None
    return found


def write_aside(lake: Path, data_version: str, told: Aside) -> None:
    """Write what the check that made a data version put aside; later checks of it are no norm."""
    path = _path(lake, data_version, "aside")
    if not path.exists():
        content = {"quarantine": dict(told.quarantine), "duplicates": dict(told.duplicates)}
        _replace(path, content)


def read_aside(lake: Path, data_version: str) -> Aside | None:
    """What the checks of a data version put aside, if that is known."""
    found = _read(_path(lake, data_version, "aside"))
    if found is None:
        return None
    return Aside(*({table: (int(bad), int(rows)) for table, (bad, rows) in found[kind].items()}
                   for kind in ("quarantine", "duplicates")))  # fmt: skip


def settle_aside(lake: Path, data_version: str, told: Aside) -> Aside:
    """Write what the check that made a data version put aside, and say what holds of the version.

    A later check, which finds all files read already, knows of no duplicates: then those count
    that were found when the version was made.
    """
    write_aside(lake, data_version, told)
    known = read_aside(lake, data_version)
    if known is None or any(rows for _, rows in told.duplicates.values()):
        return told
    return Aside(told.quarantine, known.duplicates)


def write_findings(
    lake: Path, now: Profile, compared_with: str | None, findings: Sequence[Finding]
) -> Path:
    """Write all findings, what does not hold first."""
    content = {
        "schema": SCHEMA,
        "dataVersion": now["dataVersion"],
        "windowDays": now["windowDays"],
        "comparedWith": compared_with,
        "level": worst(findings),
        "findings": [finding.to_json() for finding in ranked(findings)],
    }
    path = _path(lake, str(now["dataVersion"]), "findings", now["windowDays"])
    _replace(path, content)
    return path


def read_findings(lake: Path, data_version: str, window_days: int | None) -> dict[str, Any] | None:
    """What the last check of a data version and window found, as the evaluation report has it.

    None where there was no check, or its file is damaged or of another release.
    """
    found = _read(_path(lake, data_version, "findings", window_days))
    if found is None or found.get("schema") != SCHEMA:
        return None
    return {key: found[key] for key in ("windowDays", "comparedWith", "level", "findings")}


def compared_then(lake: Path, data_version: str, window_days: int | None) -> str | None:
    """What a check of a past data version is compared with, if nothing is named; maybe nothing.

    It is what its last check was compared with, else the data of the last training, if they are no
    newer: what came later says nothing of the past.
    """
    found = read_findings(lake, data_version, window_days)
    if found is not None:
        then = found["comparedWith"]
        return None if then is None else str(then)
    trained = read_trained(lake)
    return trained if trained is not None and no_newer(trained, data_version) else None


def write_trained(lake: Path, data_version: str) -> None:
    """Remember the data version that a training has used."""
    _replace(lake / FOLDER / "trained.json", {"dataVersion": data_version})


def read_trained(lake: Path) -> str | None:
    """The data version of the last training, if there was one."""
    found = _read(lake / FOLDER / "trained.json")
    return None if found is None else str(found["dataVersion"])


def _path(lake: Path, data_version: str, name: str, window_days: int | None = None) -> Path:
    window = "" if window_days is None else f"-{window_days}d"
    return lake / FOLDER / data_version / f"{name}{window}.json"


def _replace(path: Path, content: object) -> None:
    """Write by a rename: a reader sees the old file or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    write_bytes(part, canonical_json(content))
    part.rename(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:  # a damaged file is made anew
        return None
    return found if isinstance(found, dict) else None
