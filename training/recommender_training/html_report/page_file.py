"""Find the page of an artifact, or render it again without changing the artifact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recommender_contract.artifact import MANIFEST, REPORT, REPORT_PAGE
from recommender_training.artifact import manifest
from recommender_training.common.durable_files import write_bytes
from recommender_training.common.errors import InputError
from recommender_training.html_report.render import render

SCHEMA = "recommender.dev/evaluation/v1"


def write_page(root: Path, report: Mapping[str, Any], lineage: Mapping[str, Any]) -> None:
    """Write the page beside report.json, before the manifest seals the artifact at `root`."""
    write_bytes(root / REPORT_PAGE, render(report, {**lineage, "files": manifest.listing(root)}))


def find_artifact(folder: Path) -> Path:
    """Return `folder` if it is an artifact, or the artifact in the work folder of `run`.

    Raises InputError `NoArtifact` if there is none, or more than one.
    """
    if (folder / MANIFEST).is_file():
        return folder
    found = sorted(path.parent for path in folder.glob(f"artifacts/*/*/{MANIFEST}"))
    if len(found) == 1:
        return found[0]
    if found:
        choices = ", ".join(str(path) for path in found)
        raise InputError("NoArtifact", f"{folder} has several artifacts; give one of: {choices}")
    raise InputError(
        "NoArtifact",
        f"{folder} has no {MANIFEST} and no artifacts; give an artifact",
    )


def provide(folder: Path, output: Path | None) -> Path:
    """Return the path of the artifact's page, or render it again at `output`.

    A page at `output` also shows the artifact's digest. Raises InputError `NoPage` if the artifact
    has no page and `output` is None, `OutputInArtifact` if the page would change the artifact, and
    `UnknownReport` if the report has another schema.
    """
    artifact = find_artifact(folder)
    facts = manifest.verify_artifact(artifact)
    if output is None:
        page = artifact / REPORT_PAGE
        if not page.is_file():
            raise InputError(
                "NoPage", f"{artifact} has no {REPORT_PAGE}; render one with --output FILE"
            )
        return page
    if output.resolve().is_relative_to(artifact.resolve()):
        raise InputError(
            "OutputInArtifact",
            f"--output={output} is inside {artifact}, which is immutable; give another path",
        )
    report = json.loads((artifact / REPORT).read_bytes())
    if report.get("schema") != SCHEMA:
        raise InputError(
            "UnknownReport",
            f"report.json has the schema {report.get('schema')!r}, not {SCHEMA!r}; use the "
            "release that created the artifact",
        )
    files = [entry for entry in facts["files"] if entry["path"] != REPORT_PAGE]
    digest = manifest.digest_of((artifact / MANIFEST).read_bytes())
    write_bytes(output, render(report, {**facts, "files": files}, digest))
    return output
