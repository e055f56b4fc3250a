"""The command line: from raw files to a published artifact, exit codes and reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from recommender_contract.job_reports import ChampionReport
from recommender_operator.api import report as operator_report
from recommender_training.artifact import manifest
from recommender_training.cli import dispatch, main
from recommender_training.pipeline import training

DEEP = '{"seed": 3, "hyperparameters": {"epochs": 1, "embeddingDim": 4, "retrieval": "Weights"}}'
#: Which of these a command imports. PyTorch's compiler takes as long to import as a small fit.
IMPORTS = """
import sys
from recommender_training.cli import main
ended = main.main(sys.argv[1:])
heavy = {"torch", "torch._dynamo", "torch._inductor", "sympy", "optuna"}
print(ended, *sorted(heavy & {*sys.modules}))
"""
CONFIG = '{"algorithm": "LogisticRegression", "seed": 3, "resources": {"limits": {"cpu": "1"}}}'


def run(tmp_path: Path, *arguments: object) -> tuple[int, dict[str, Any]]:
    path = tmp_path / "report.json"
    code = main.main([*map(str, arguments), "--report", str(path)])
    assert len(path.read_bytes()) <= 4096
    return code, json.loads(path.read_text())


def test_check_train_publish_and_remove_meet_the_operators_contract(
    source: Path, tmp_path: Path
) -> None:
    lake, staging = tmp_path / "store/lake/movies", tmp_path / "store/staging/movies/v1-1"
    code, answer = run(
        tmp_path, "check", "--source", source, "--format", "MovieLens100K", "--lake", lake,
        "--window-days", 400, "--min-rows", 100, "--max-quarantined-share", 0.01,
    )  # fmt: skip
    assert code == 0
    checked = operator_report.parse(operator_report.CheckReport, answer)
    assert answer["windowStart"] < answer["windowEnd"]
    code, answer = run(
        tmp_path, "train", "--lake", lake, "--data-version", checked.data_version,
        "--window-days", 400, "--config", CONFIG, "--output", staging,
    )  # fmt: skip
    assert code == 0
    # in a Job the claim is mounted at /store
    answer["stagedPath"] = answer["stagedPath"].removeprefix(str(tmp_path))
    trained = operator_report.parse(operator_report.TrainReport, answer)
    assert trained.rows == checked.rows
    assert {"auc", "logLoss", "calibrationError", "precisionAt10", "ndcgAt10", "worstSegmentAuc",
            "baselineAuc", "aucMinusBaseline", "modelMegabytes",
            "modelLatencyP99Milliseconds"} <= trained.finite_metrics.keys()  # fmt: skip
    code, answer = run(
        tmp_path, "publish", "--staged", staging, "--digest", trained.digest,
        "--store", tmp_path / "store/artifacts/movies",
    )  # fmt: skip
    assert code == 0
    published = operator_report.parse(operator_report.PublishReport, answer)
    assert published.path == f"artifacts/movies/{trained.digest[7:23]}"
    facts = manifest.verify_artifact(tmp_path / "store" / published.path, published.digest)
    assert facts["metrics"] == said_metrics(tmp_path / "store" / published.path)
    artifact = tmp_path / "store" / published.path
    found = json.loads((artifact / "report.json").read_text())["dataChecks"]
    findings = lake / "checks" / checked.data_version / "findings-400d.json"
    assert found.items() <= json.loads(findings.read_text()).items()
    assert len(found["findings"]) > 5
    assert "<h2>Data</h2>" in (artifact / "report.html").read_text()
    code, answer = run(
        tmp_path, "remove", "--root", tmp_path / "store", "--owner", "2026-12-01T08:00:00Z/uid",
        "staging/movies/v1-1", published.path,
    )  # fmt: skip
    assert (code, answer["removed"]) == (0, ["staging/movies/v1-1", published.path])


def test_check_accepts_a_mapping_and_reports_its_errors(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    events = [(user, item) for user in range(9) for item in range(3)]
    rows = [f"{user},{item},{1_700_000_000 + user},{3 + item % 2}\n" for user, item in events]
    (tmp_path / "raw/a.csv").write_text("u,i,t,v\n" + "".join(rows) + "x,1,1700000000,4\n")
    table = {"files": "*.csv", "user": "u", "item": "i"}
    mapping = {"interactions": table | {"timestamp": "t", "value": "v"}}
    common = ("check", "--source", tmp_path / "raw", "--format", "CSV", "--min-rows", 20,
              "--lake", tmp_path / "lake")  # fmt: skip
    share = ("--max-quarantined-share", 0.1)
    code, answer = run(tmp_path, *common, *share, "--mapping", json.dumps(mapping))
    checked = operator_report.parse(operator_report.CheckReport, answer)
    assert (code, checked.rows, checked.quarantined_rows) == (0, 27, 1)
    code, answer = run(tmp_path, *common, "--mapping", json.dumps(mapping))
    assert (code, answer["reason"]) == (2, "TooManyQuarantinedRows")
    code, answer = run(tmp_path, *common)
    assert (code, answer["reason"]) == (2, "InvalidMapping")
    assert "needs --mapping" in answer["message"]


def said_metrics(artifact: Path) -> Any:
    return json.loads((artifact / "report.json").read_text())["metrics"]


def test_run_checks_trains_and_publishes_and_prints_the_metrics(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, answer = run(
        tmp_path, "run", "--source", source, "--format", "MovieLens100K",
        "--work", tmp_path / "work", "--config", CONFIG,
    )  # fmt: skip
    assert code == 0
    printed = capsys.readouterr()
    assert "worstSegmentAuc" in printed.out
    assert "s] check:" in printed.err
    assert (tmp_path / "work" / answer["path"] / "manifest.json").is_file()
    artifact = tmp_path / "work" / answer["path"]
    assert run(tmp_path, "verify", artifact, "--digest", answer["digest"])[0] == 0
    assert run(tmp_path, "export", artifact, "--output", tmp_path / "triton")[0] == 0
    assert (tmp_path / "triton/recommender/1/model.pt").is_file()
    assert run(tmp_path, "export", artifact, "--output", tmp_path / "triton")[0] == 2
    code, answer = run(tmp_path, "measure", artifact, "--calls", 20)
    assert code == 0
    assert 0 < answer["recommender"]["p50Milliseconds"] <= answer["recommender"]["p99Milliseconds"]


def test_a_training_does_not_import_the_compiler(trained: Any, tmp_path: Path) -> None:
    ended = subprocess.run(
        [
            sys.executable, "-c", IMPORTS, "train", "--lake", str(trained.lake),
            "--data-version", trained.data_version, "--config", DEEP,
            "--output", str(tmp_path / "staged"),
        ],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ended.stdout.split() == ["0", "torch"], ended.stderr


def test_evaluate_uses_the_validation_window(trained: Any, tmp_path: Path) -> None:
    code, answer = run(
        tmp_path, "evaluate", "--lake", trained.lake, "--data-version", trained.data_version,
        "--config", CONFIG,
    )  # fmt: skip
    assert (code, answer["window"]) == (0, "validation")
    assert 0.5 < answer["metrics"]["auc"] < 1


def test_invalid_input_exits_with_two_and_a_remedy(tmp_path: Path) -> None:
    code, answer = run(
        tmp_path, "check", "--source", tmp_path / "no", "--format", "MovieLens100K",
        "--lake", tmp_path / "lake",
    )  # fmt: skip
    assert (code, answer["ok"], answer["reason"]) == (2, False, "DataMissing")
    assert str(tmp_path / "no") in answer["message"]


def test_train_compares_with_the_given_champion(trained: Any, tmp_path: Path) -> None:
    train = ("train", "--lake", trained.lake, "--data-version", trained.data_version,
             "--config", CONFIG, "--output", tmp_path / "staged",
             "--champion-artifact", trained.staged)  # fmt: skip
    code, answer = run(tmp_path, *train, "--champion-digest", trained.digest)
    assert code == 0
    answer["stagedPath"] = "staging/movies/v1-1"
    found = operator_report.parse(operator_report.TrainReport, answer)
    assert found.champion == ChampionReport(
        digest=trained.digest, compared=True, saw_test_rows=0, unknown_item_rows=0
    )
    theirs = json.loads((trained.staged / "report.json").read_text())["metrics"]
    kept = json.loads((tmp_path / "staged/report.json").read_text())
    champion = kept["models"]["champion"]
    for metric in ("auc", "logLoss", "ndcgAt10"):
        difference = found.metrics[metric] - champion[metric]
        assert found.metrics[f"{metric}MinusChampion"] == pytest.approx(difference, abs=1e-4)
        ends = (found.metrics[f"{metric}MinusChampion{end}"] for end in ("Low", "High"))
        assert all(end is not None for end in ends)
    assert kept["champion"]["digest"] == trained.digest
    for metric in ("auc", "logLoss"):  # its lists have the towers of this run, and not its own
        assert champion[metric] == pytest.approx(theirs[metric], abs=1e-4)
    schema = json.loads((Path(__file__).parents[3] / "docs/evaluation.schema.json").read_text())
    assert not list(jsonschema.Draft202012Validator(schema).iter_errors(kept))
    code, answer = run(tmp_path, *train)
    assert (code, answer["reason"]) == (2, "InvalidChampion")


def test_an_invalid_config_exits_with_two(trained: Any, tmp_path: Path) -> None:
    code, answer = run(
        tmp_path, "train", "--lake", trained.lake, "--data-version", trained.data_version,
        "--config", '{"epochs": 3}', "--output", tmp_path / "staged",
    )  # fmt: skip
    assert (code, answer["reason"]) == (2, "InvalidConfig")


def test_any_other_error_exits_with_one_and_leaves_a_report(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(training, "train", unreadable)
    code, answer = run(
        tmp_path, "train", "--lake", trained.lake, "--data-version", trained.data_version,
        "--output", tmp_path / "staged",
    )  # fmt: skip
    assert code == dispatch.RETRYABLE
    assert answer["reason"] == "Failed"
    assert "Input/output error" in answer["message"]


def test_help_shows_examples_and_exit_codes() -> None:
    text = main.parser().format_help()
    assert "examples:" in text
    assert "exit codes" in text


@pytest.mark.parametrize("arguments", [["check"], ["train", "--threads", "0"], ["nonsense"]])
def test_wrong_arguments_exit_with_two(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main.main(arguments)
    assert caught.value.code == 2
