"""Training with a search: it never sees the test window, and the bytes are reproducible."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from recommender_operator.api import report as operator_report
from recommender_training.cli import main
from recommender_training.config.search_space import Params
from recommender_training.config.training import TrainingConfig, parse_config
from recommender_training.data.dataset import Dataset
from recommender_training.data.splits import OnceOnly
from recommender_training.features.prepared_data import prepare_data
from recommender_training.pipeline import training
from recommender_training.search import folds, results
from recommender_training.search.choose import choose_configuration
from recommender_training.search.objective import FoldLoss, FromLake, Source
from recommender_training.search.study import Report
from tests.search_objectives import SEARCH_CONFIG, Searched


def config(**changes: Any) -> TrainingConfig:
    section = SEARCH_CONFIG["search"] | changes
    return parse_config(json.dumps(SEARCH_CONFIG | {"search": section}))


def silent(step: int, loss: float) -> None:
    """A report that prunes nothing."""


def test_what_is_trained_and_recorded_is_what_was_chosen(searched: Searched) -> None:
    found = searched.found
    best = found["trials"][found["best"]]
    assert (
        best["logLoss"]
        == found["bestLogLoss"]
        == min(trial["logLoss"] for trial in found["trials"] if trial["state"] == "Complete")
    )
    assert found["hyperparameters"] == best["hyperparameters"]
    lineage = json.loads((searched.staged / "manifest.json").read_text())
    assert lineage["hyperparameters"].items() >= best["hyperparameters"].items()
    assert lineage["hyperparameters"]["batchSize"] == 256
    report = json.loads((searched.staged / "report.json").read_text())
    assert report["search"] == found
    given = found["trials"][0]
    assert given["hyperparameters"] == {"embeddingDim": 8, "learningRate": 0.003}
    assert found["givenLogLoss"] == given["logLoss"]


def test_the_model_has_the_first_seed_and_the_spread_is_reported(searched: Searched) -> None:
    found, learning = searched.found, searched.report["learning"]
    assert [each["seed"] for each in found["seeds"]] == [3, 4]
    losses = [each["logLoss"] for each in found["seeds"]]
    assert losses[0] == min(loss for _, loss in learning["looks"])
    assert losses[0] != losses[1]
    entry = found["spread"]["logLoss"]
    rounded = 2e-6  # all of them have six decimals
    assert entry["mean"] == pytest.approx(np.mean(losses), abs=rounded)
    assert entry["standardDeviation"] == pytest.approx(np.std(losses, ddof=1), abs=rounded)
    assert (entry["lowest"], entry["highest"]) == (min(losses), max(losses))


def test_interrupted_or_not_it_is_the_same_artifact_and_no_journal_is_left(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, whole = 0, FoldLoss.__call__

    def dying(self: FoldLoss, params: Params, report: Report) -> Sequence[float]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return whole(self, params, report)

    monkeypatch.setattr(FoldLoss, "__call__", dying)
    where = (searched.lake, searched.data_version, config(), tmp_path / "v-2")
    with pytest.raises(KeyboardInterrupt):
        training.train(training.TrainingRun(*where))
    assert list((tmp_path / ".search").glob("*.journal"))
    assert not (tmp_path / "v-2").exists()
    result = training.train(training.TrainingRun(*where))
    assert calls == 2 + 2, "the first trial is not tried again"
    assert result.digest == searched.digest
    assert not list((tmp_path / ".search").iterdir())


@pytest.mark.parametrize("own", [True, False])
def test_what_a_failed_search_left_goes_with_the_next_training_of_the_model(
    trained: Any, tmp_path: Path, own: bool
) -> None:
    """In a shared folder, another training may use it, so it stays."""
    left = tmp_path / ".search" / "0123456789abcdef.journal"
    left.parent.mkdir()
    left.write_text("")
    where = (trained.lake, trained.data_version, trained.config, tmp_path / "v-2")
    result = training.train(
        training.TrainingRun(*where, checkpoints=tmp_path / "kept", own_checkpoints=own)
    )
    assert result.digest == trained.digest
    assert left.exists() is not own
    assert left.parent.exists() is not own


def test_the_search_cannot_see_the_test_window(
    data: Dataset, trained: Any, tmp_path: Path
) -> None:
    source = Source(trained.lake, trained.data_version, None)
    start = prepare_data(data, config()).split.test_start
    spoilt = copy.deepcopy(data)
    late = spoilt.events.time >= start
    spoilt.events.value[late] = 6.0 - spoilt.events.value[late]
    spoilt.events.item[late] = spoilt.events.item[late][::-1]
    one, two = (
        choose_configuration(source, each, config(trials=2, folds=1), tmp_path / name, 1)
        for name, each in (("a", data), ("b", spoilt))
    )
    assert one.outcomes == two.outcomes
    assert one.config == two.config


def test_training_opens_the_test_window_once_and_searching_never(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = 0

    def counted(self: OnceOnly[Any]) -> Any:
        nonlocal opened
        opened += 1
        raise KeyboardInterrupt

    monkeypatch.setattr(OnceOnly, "open", counted)
    few = config(trials=1, seeds=1, folds=1)
    with pytest.raises(KeyboardInterrupt):
        training.train(
            training.TrainingRun(searched.lake, searched.data_version, few, tmp_path / "v")
        )
    assert opened == 1, "after the search, and before anything is written"
    section = {"search": SEARCH_CONFIG["search"] | {"trials": 1, "folds": 1}}
    code = main.main(
        ["search", "--lake", str(searched.lake), "--data-version", searched.data_version,
         "--work", str(tmp_path), "--config", json.dumps(SEARCH_CONFIG | section)]
    )  # fmt: skip
    assert (code, opened) == (0, 1)


def test_a_worker_process_finds_the_same_losses(data: Dataset, trained: Any) -> None:
    source = Source(trained.lake, trained.data_version, None)
    factory = pickle.loads(pickle.dumps(FromLake(source, config(), 2, 1)))
    params: Params = {"learningRate": 0.01, "embeddingDim": 4}
    parts, known = folds.of_past(data, 2)
    here = FoldLoss(known, parts, config(), 1)(params, silent)
    assert factory()(params, silent) == here
    assert len(here) == 2


def test_a_step_reports_the_mean_of_the_folds_and_pruning_ends_the_fit(data: Dataset) -> None:
    parts, known = folds.of_past(data, 2)
    objective = FoldLoss(known, parts, config(), 1)
    steps: list[tuple[int, float]] = []
    losses = objective({}, lambda step, loss: steps.append((step, loss)))
    first = [loss for step, loss in steps if step < 1_000_000]
    assert len(first) >= 2
    assert first == sorted(first, reverse=True)
    assert first[-1] == losses[0]
    assert steps[-1][1] == pytest.approx(sum(losses) / 2)

    def prune(step: int, loss: float) -> None:
        raise optuna.TrialPruned

    with pytest.raises(optuna.TrialPruned):
        objective({}, prune)


def test_another_history_length_rebuilds_the_inputs(data: Dataset) -> None:
    parts, known = folds.of_past(data, 1)
    objective = FoldLoss(known, parts, config(), 1)
    short, long, again = (objective({"historyLength": n}, silent) for n in (1, 20, 1))
    assert short == again != long


def test_the_command_resumes_and_prints_trials_and_configuration(
    searched: Searched, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(trials: int) -> tuple[int, dict[str, Any], list[str], str]:
        section = SEARCH_CONFIG["search"] | {"trials": trials, "folds": 1, "seeds": 1}
        code = main.main(
            ["search", "--lake", str(searched.lake), "--data-version", searched.data_version,
             "--work", str(tmp_path / "work"), "--report", str(tmp_path / "r.json"),
             "--config", json.dumps(SEARCH_CONFIG | {"search": section})]
        )  # fmt: skip
        answer = capsys.readouterr()
        return (code, json.loads((tmp_path / "r.json").read_text()), answer.out.splitlines(),
                answer.err)  # fmt: skip

    code, answer, printed, progress = run(2)
    assert (code, answer["ok"], answer["window"]) == (0, True, "validation")
    assert "2 of 2 trials done" in progress
    code, answer, printed, progress = run(3)
    assert "resuming after 2 of 3 trials" in progress
    assert answer["search"]["trials"] == 3
    assert printed[0].startswith(f"trial   {answer['search']['bestTrial']}  log loss 0.")
    assert printed[-2].startswith("1 seeds: validation log loss 0.")
    chosen = parse_config(printed[-1])
    assert chosen.search is None
    assert chosen.hyperparameters.batch_size == 256
    values = chosen.hyperparameters.model_dump(by_alias=True)
    assert values.items() >= answer["search"]["hyperparameters"].items()


def test_the_command_refuses_an_algorithm_without_hyperparameters(tmp_path: Path) -> None:
    report = tmp_path / "r.json"
    code = main.main(
        ["search", "--lake", "x", "--data-version", "v", "--work", "w", "--report", str(report),
         "--config", '{"algorithm": "LogisticRegression"}']
    )  # fmt: skip
    answer = json.loads(report.read_text())
    assert (code, answer["reason"]) == (2, "InvalidConfig")
    assert "needs the algorithm DeepRanker" in answer["message"]


def test_the_operator_reads_the_short_form(searched: Searched) -> None:
    short = results.compact(searched.found).dump()
    read = operator_report.TrainReport.model_validate(
        {"schema": "recommender.dev/report/v1", "kind": "train", "ok": True, "dataVersion": "v",
         "rows": 1, "metrics": {}, "stagedPath": "staging/m/v-1", "digest": "sha256:" + "0" * 64,
         "search": short}
    ).search  # fmt: skip
    assert read is not None
    assert read.dump() == short
    assert (read.trials, read.folds, read.seeds) == (3, 2, 2)
