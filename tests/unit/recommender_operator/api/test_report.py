"""The reports of Jobs: valid ones are read, invalid fields are named."""

from __future__ import annotations

import pytest

from recommender_operator.api.report import (
    CheckReport,
    PublishReport,
    RecalibrateReport,
    ReportError,
    TrainReport,
    parse,
)

DIGEST = "sha256:" + "0" * 64
HEAD = {"schema": "recommender.dev/report/v1", "ok": True, "reason": "", "message": ""}
CHECK = HEAD | {"kind": "check", "dataVersion": "7-ab", "rows": 9, "quarantinedRows": 1}
TRAIN = HEAD | {
    "kind": "train",
    "dataVersion": "7-ab",
    "rows": 9,
    "codeVersion": "0.1.0",
    "seed": 17,
    "metrics": {"auc": 0.7, "logLoss": None, "ndcgAt10": float("nan")},
    "stagedPath": "staging/movies/v-0",
    "digest": DIGEST,
}


def test_a_good_report_is_read() -> None:
    assert parse(CheckReport, CHECK).data_version == "7-ab"
    publish = HEAD | {"kind": "publish", "path": "artifacts/movies/00", "digest": DIGEST}
    assert parse(PublishReport, publish).path == "artifacts/movies/00"
    recalibrated = HEAD | {"kind": "recalibrate", "stagedPath": "/store/staging/movies/v-0"}
    found = parse(RecalibrateReport, recalibrated | {"digest": DIGEST})
    assert found.staged_path == "staging/movies/v-0"


def test_only_finite_metrics_are_kept() -> None:
    assert parse(TrainReport, TRAIN).finite_metrics == {"auc": 0.7}


def test_the_result_of_a_search_is_read_if_there_was_one() -> None:
    assert parse(TrainReport, TRAIN).search is None
    found = {"sampler": "TPE", "trials": 9, "pruned": 2, "bestTrial": 4, "bestLogLoss": 0.5,
             "hyperparameters": {"learningRate": 0.01}}  # fmt: skip
    search = parse(TrainReport, TRAIN | {"search": found}).search
    assert search is not None
    assert (search.best_trial, search.hyperparameters) == (4, {"learningRate": 0.01})
    assert search.given_log_loss is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"schema": "other/v9"}, "schema"),
        ({"kind": "check"}, "kind"),
        ({"ok": False}, "ok"),
        ({"digest": "md5:1"}, "digest"),
        ({"stagedPath": ""}, "stagedPath"),
        ({"metrics": None}, "metrics"),
        ({"rows": -1}, "rows"),
        ({"search": {"sampler": "TPE", "trials": 9, "bestTrial": 4}}, "search.bestLogLoss"),
    ],
)
def test_a_violation_of_the_contract_is_reported_with_its_field(
    change: dict[str, object], field: str
) -> None:
    with pytest.raises(ReportError, match=f"field '{field}"):
        parse(TrainReport, TRAIN | change)


def test_a_missing_report_is_an_error() -> None:
    with pytest.raises(ReportError, match="no report"):
        parse(CheckReport, None)


@pytest.mark.parametrize("reported", ["/store/staging/movies/v-0", "staging/movies/v-0"])
def test_the_staged_folder_is_named_from_the_root_of_the_claim(reported: str) -> None:
    report = parse(TrainReport, {**TRAIN, "stagedPath": reported})
    assert report.staged_path == "staging/movies/v-0"


@pytest.mark.parametrize(
    "reported", ["/etc/passwd", "/store/../etc", "staging/../../x", "/store//x"]
)
def test_a_staged_folder_outside_of_the_claim_is_refused(reported: str) -> None:
    with pytest.raises(ReportError, match="staged"):
        parse(TrainReport, {**TRAIN, "stagedPath": reported})


PUBLISH = HEAD | {"kind": "publish", "path": "artifacts/movies/00", "digest": DIGEST}


@pytest.mark.parametrize(
    "reported", ["/etc/passwd", "/store/../etc", "artifacts/../x", "/store//x"]
)
def test_a_published_folder_outside_of_the_claim_is_refused(reported: str) -> None:
    with pytest.raises(ReportError, match="field 'path'"):
        parse(PublishReport, PUBLISH | {"path": reported})


def test_the_published_folder_is_named_from_the_root_of_the_claim() -> None:
    assert parse(PublishReport, PUBLISH | {"path": "/store/artifacts/movies/00"}).path == (
        "artifacts/movies/00"
    )
