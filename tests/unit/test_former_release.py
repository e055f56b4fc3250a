"""Operator, transformer and console read what the former release wrote (`tests/recorded`).

Two releases meet during an upgrade, and an operator that is rolled back reads newer reports.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from recommender_console import report_digest
from recommender_contract import job_reports
from recommender_contract.artifact import MANIFEST, REPORT_PAGE
from recommender_contract.ids import IdKind, IdKinds
from recommender_operator.api.report import CheckReport, SnapshotReport, TrainReport, parse
from recommender_serving.artifact import loader
from tests.recorded import FORMER
from tests.recorded.readers import REPORTS

ARTIFACT = FORMER / "artifact"
FIELDS: dict[str, type[job_reports.Fields]] = {
    "check": job_reports.CheckFields,
    "snapshot": job_reports.SnapshotFields,
    "train": job_reports.TrainFields,
    "recalibrate": job_reports.RecalibrateFields,
    "publish": job_reports.PublishFields,
    "remove": job_reports.RemoveFields,
}
EACH = pytest.mark.parametrize("path", sorted(FORMER.glob("reports/*.json")), ids=lambda p: p.stem)


def report(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FORMER / f"reports/{name}.json").read_text())
    return found


def test_each_kind_of_report_is_recorded() -> None:
    kinds = {report(path.stem)["kind"] for path in FORMER.glob("reports/*.json")}
    assert kinds == FIELDS.keys()


@EACH
def test_a_report_is_written_with_the_same_bytes(path: Path) -> None:
    """No field is lost, has another name or form, or stands elsewhere."""
    found = report(path.stem)
    head = {name: found.pop(name) for name in ("schema", "kind", "ok", "reason", "message")}
    written = FIELDS[head["kind"]].model_validate(found, extra="forbid").fields()
    assert json.dumps(head | written, separators=(",", ":")).encode() == path.read_bytes()


@pytest.mark.parametrize("kind", REPORTS)
def test_the_operator_reads_the_report(kind: str) -> None:
    parse(REPORTS[kind], report(kind))


def test_the_operator_sees_what_the_jobs_of_the_former_release_found() -> None:
    checks = parse(CheckReport, report("check-warned")).checks
    assert checks is not None
    assert [(each.check, each.feature) for each in checks.findings] == [
        ("categories", "device"), ("shift", "device"),
    ]  # fmt: skip
    segments = parse(SnapshotReport, report("snapshot")).segments
    assert segments is not None
    assert segments.compared_with == report("check")["dataVersion"]
    trained = parse(TrainReport, report("train-compared"))
    assert trained.staged_path == "staging/shop/v2-0"
    assert trained.search is not None
    assert trained.search.trials == 2
    assert trained.champion is not None
    assert trained.champion.previous is not None
    assert trained.champion.previous.rows > 100
    assert "aucMinusChampionLow" in trained.finite_metrics


def test_the_transformer_loads_the_artifact() -> None:
    found = loader.load(ARTIFACT)
    assert found.ids == IdKinds(IdKind.TEXT, IdKind.TEXT)
    assert set((found.item_texts or {}).values()) == {f"sku-{n}" for n in range(20)}
    requested = {"age", "member", "city", "device", "hour", "visits"}
    assert requested <= set(found.vocabulary.features)
    assert found.popularity.segments is not None
    assert found.report is not None
    assert f"sha256:{found.report.digest}" == report("publish")["digest"]


def test_the_console_shows_the_report() -> None:
    digest = report("publish")["digest"].removeprefix("sha256:")
    listed = report_digest.listed(digest, (ARTIFACT / MANIFEST).read_bytes())
    page = (ARTIFACT / REPORT_PAGE).read_bytes()
    report_digest.check_digest(listed, page)
    assert b"<h2>Data</h2>" in page
