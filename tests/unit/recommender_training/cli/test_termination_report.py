"""The report is always valid JSON of at most 4096 bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recommender_contract.job_reports import MAX_BYTES
from recommender_contract.peers import PEERS, ndcg_of
from recommender_training.cli import termination_report
from recommender_training.cli.outcome import summary
from recommender_training.config.training import Hyperparameters
from recommender_training.pipeline.champion import _short


@given(
    part=st.text(min_size=1, max_size=8),
    times=st.integers(0, 4000),
    paths=st.integers(0, 200),
)
def test_a_report_always_fits_a_termination_message(part: str, times: int, paths: int) -> None:
    report = termination_report.build_report(
        "check", ok=False, reason="DataMissing", message=part * times, removed=["a/path"] * paths
    )
    encoded = termination_report.encode(report)
    assert len(encoded) <= MAX_BYTES
    parsed = json.loads(encoded)
    assert parsed["reason"] == "DataMissing"
    assert parsed["schema"] == "recommender.dev/report/v1"
    assert "message" in parsed


def test_a_short_report_stays_unchanged() -> None:
    report = termination_report.build_report(
        "train", ok=True, reason="Done", message="fine", rows=3
    )
    assert json.loads(termination_report.encode(report)) == report


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    report = termination_report.build_report(
        "train", ok=False, reason="Failed", message="start" + "x" * 9000 + "end"
    )
    encoded = termination_report.encode(report)
    assert len(encoded) <= MAX_BYTES
    message = json.loads(encoded)["message"]
    assert message.startswith("start")
    assert message.endswith("end")


def test_a_report_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.json"
    termination_report.write_report(
        path, termination_report.build_report("check", ok=False, reason="A", message="long" * 100)
    )
    termination_report.write_report(
        path, termination_report.build_report("check", ok=True, reason="B", message="short")
    )
    assert json.loads(path.read_text())["reason"] == "B"


BASELINE = {"baselineLogLoss": 0.123456, "baselineNdcgAt10": 0.123456}
PREVIOUS = {
    "digest": "sha256:" + "0" * 64, "rows": 10**9, "users": 10**9, "logLoss": 0.123456,
    "championLogLoss": 0.123456, "gainLow": -0.123456, "gainHigh": -0.123456, "auc": 0.123456,
    "championAuc": 0.123456, "since": "2026-11-01T00:00:00Z", "until": "2026-11-01T00:00:00Z",
}  # fmt: skip


@pytest.mark.parametrize("compared", [True, False])
def test_a_train_report_with_every_metric_and_the_longest_names_is_not_cut(compared: bool) -> None:
    """The operator needs each field, so this report must fit without cuts."""
    metrics = {
        name: -0.123456
        for name in termination_report.OPERATOR_METRICS
        if compared or "MinusChampion" not in name
    }
    metrics["markovSecondOrderNdcgAt10"] = 0.123456  # the longest name is the best
    outcome: dict[str, object] = {"sawTestRows": 10**9, "unknownItemRows": 10**9}
    if not compared:
        outcome = {"message": _short('\\ü"x' * 1000)}
    report = termination_report.build_report(
        "train", ok=True, reason="Done", message=summary(metrics | BASELINE),
        dataVersion="v" * 253, rows=10**12, codeVersion="c" * 253, seed=2**32,
        metrics=termination_report.for_operator(metrics | {"somethingElse": 1.0}),
        worstSegment="s" * 100, fault={"fault": "Latency", "latencyMilliseconds": 100000},
        search={
            "sampler": "Random", "trials": 1000, "pruned": 999, "failed": 999, "folds": 5,
            "bestTrial": 999, "bestLogLoss": 0.123456, "givenLogLoss": 0.123456, "seeds": 10,
            "seedLogLossDeviation": 0.123456, "seedAucDeviation": 0.123456,
            "hyperparameters": dict.fromkeys(
                [
                    str(field.alias)
                    for field in Hyperparameters.model_fields.values()
                    if field.annotation in (int, float)  # others cannot be searched
                ],
                0.0001234,
            ),
        },
        stagedPath="/store/staging/" + "p" * (63 + 1 + 253 + 8), digest="sha256:" + "0" * 64,
        champion={"digest": "sha256:" + "0" * 64, "compared": compared, **outcome},
    )  # fmt: skip
    encoded = termination_report.encode(report)
    assert json.loads(encoded) == report
    # Rarely the previous version is compared too: only the message may be cut for it.
    champion = {**report["champion"], "previous": PREVIOUS}  # type: ignore[dict-item]
    beside = json.loads(termination_report.encode({**report, "champion": champion}))
    assert {**beside, "message": ""} == {**report, "message": "", "champion": champion}
    of_peers = {ndcg_of(name) for name in PEERS}
    best = {"markovSecondOrderNdcgAt10"}
    assert set(json.loads(encoded)["metrics"]) == set(metrics) - of_peers | best
    assert len(encoded) < 0.95 * MAX_BYTES, "leave room for metrics to come"
