"""`recalibrate`: an artifact with the network of another one and a new calibration.

Nothing is read but the artifact. Its lists, its tables and the files that serve it stay; so does
the evaluation in its report, which is that of the other calibration and says so.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scipy.special import expit, logit

from recommender_contract.artifact import MANIFEST, REFERENCE, REPORT, REPORT_PAGE
from recommender_training.artifact import manifest, reference, triton, vocabulary
from recommender_training.artifact.staged_folder import staged
from recommender_training.common.durable_files import canonical_json, write_bytes
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.config.recalibration import Recalibration
from recommender_training.export import recalibrated_graph, torchscript
from recommender_training.export.recalibrated_graph import CalibrationChange
from recommender_training.html_report import page_file as page

#: Files that are written anew. `model.pt2` of earlier releases serves nothing: it is left out.
_OWN = (MANIFEST, REPORT_PAGE, REPORT, REFERENCE)
_GRAPHS = ("model.pt", "model.pt2")


@dataclass(frozen=True)
class Recalibrated:
    """A staged artifact."""

    digest: str
    #: Share of compared answers in another order: near ties.
    reordered: float


def recalibrate(artifact: Path, digest: str, made: Recalibration, output: Path) -> Recalibrated:
    """Stage a published artifact with a new calibration at `output`.

    An existing one is replaced. Raises InputError: `ArtifactInvalid`, `NotCalibrated`,
    `RecalibrationFailed`.
    """
    lineage = manifest.verify_artifact(artifact, digest)
    try:
        return _staged(artifact, lineage, digest, made, output)
    except KeyError as missing:
        raise InputError(
            "NotCalibrated",
            f"the artifact has no {missing}: it was exported by an earlier release; retrain the "
            "model",
        ) from missing


def _staged(
    artifact: Path, lineage: Mapping[str, Any], digest: str, made: Recalibration, output: Path
) -> Recalibrated:
    """Raises KeyError for an artifact of an early release, whose files lack something."""
    by = CalibrationChange(made.slope, made.shift)
    known = json.loads((artifact / "vocabulary.json").read_text())["features"]
    features = sum(map(vocabulary.width, known))
    source = triton.model_path(artifact)
    say(f"recalibrate: {artifact} with slope {by.slope:.4f} and shift {by.shift:+.4f}")
    with staged(output) as partial:
        shutil.copytree(artifact, partial, ignore=_ignored(artifact))
        graph = torchscript.load(source)
        recalibrated_graph.recalibrate_graph(graph, by)
        torchscript.save(graph, triton.model_path(partial))
        written = torchscript.load(triton.model_path(partial))
        reordered = recalibrated_graph.check_recalibrated(
            torchscript.load(source), written, by, features
        )
        _write_reference(artifact, partial, by)
        facts = {**made.facts(), "artifact": digest}
        report = _report(artifact, by, facts)
        write_bytes(partial / REPORT, canonical_json(report))
        kept = {k: v for k, v in lineage.items() if k not in ("schema", "files")}
        kept["recalibration"] = facts
        page.write_page(partial, report, kept)
        return Recalibrated(manifest.write_manifest(partial, kept), reordered)


def _ignored(artifact: Path) -> Any:
    """Files that are not copied: those that are written anew, and the graphs that serve."""
    graphs = triton.model_path(artifact).parent

    def ignored(folder: str, names: list[str]) -> set[str]:
        if Path(folder) == graphs:
            return {*_GRAPHS} & {*names}
        return {*_OWN} & {*names} if Path(folder) == artifact else set()

    return ignored


def _report(artifact: Path, by: CalibrationChange, facts: dict[str, Any]) -> dict[str, Any]:
    """The report of the other artifact, with the new calibration and where it is from."""
    report: dict[str, Any] = json.loads((artifact / REPORT).read_text())
    before = report["calibration"]
    after = {
        "temperature": round(before["temperature"] / by.slope, 6),
        "offset": round(by.slope * before.get("offset", 0.0) + by.shift, 6),
    }
    return {**report, "calibration": {**before, **after}, "recalibration": facts}


def _write_reference(artifact: Path, partial: Path, by: CalibrationChange) -> None:
    """Move the edges of the score, so that each session of the reference stays in its bin."""
    facts = json.loads((artifact / REFERENCE).read_text())
    features = [
        _moved(each, by) if each["name"] == reference.TOP_SCORE else each
        for each in facts["features"]
    ]
    write_bytes(partial / REFERENCE, canonical_json({**facts, "features": features}))


def _moved(feature: dict[str, Any], by: CalibrationChange) -> dict[str, Any]:
    """The same counts between moved edges; bins whose edges have become one are added up."""
    edges: list[float] = []
    counts = [feature["counts"][0]]
    for edge, count in zip(feature["edges"], feature["counts"][1:], strict=True):
        moved = float(expit(by.slope * logit(edge) + by.shift))
        if edges and moved <= edges[-1]:
            counts[-1] += count
        else:
            edges.append(moved)
            counts.append(count)
    return {**feature, "edges": edges, "counts": counts}
