"""A search ends with its budget, survives kills, and is reproducible."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from recommender_contract.resource.search import Sampler
from recommender_training.common.errors import InputError
from recommender_training.config.search_space import Params
from recommender_training.search import results, workers
from recommender_training.search.study import (
    ATTEMPTS,
    Objective,
    Outcome,
    Plan,
    Report,
    Study,
)
from tests.search_objectives import (
    Deadly,
    Judge,
    Unusable,
    bowl,
    judge,
    plan,
)


class Killed(BaseException):
    """Stands in for the end of the process."""


def search(path: Path, how: Plan, objective: Objective = judge) -> tuple[Outcome, ...]:
    return workers.search_in_workers(path, how, lambda: objective)


def trials(path: Path) -> list[FrozenTrial]:
    storage = JournalStorage(JournalFileBackend(str(path)))
    return optuna.load_study(study_name=None, storage=storage).trials


def dying(after: int) -> Objective:
    """Ends the process in the middle of the trial after this many."""
    seen = 0

    def objective(params: Params, report: Report) -> Sequence[float]:
        nonlocal seen
        seen += 1
        if seen > after:
            report(1, bowl(params))
            raise Killed
        return judge(params, report)

    return objective


@pytest.mark.parametrize("sampler", list(Sampler))
def test_each_sampler_uses_its_budget_and_the_seed_decides_the_trials(
    tmp_path: Path, sampler: Sampler
) -> None:
    found = search(tmp_path / "a.journal", plan(sampler))
    assert [outcome.index for outcome in found] == list(range(12))
    assert {outcome.state for outcome in found} <= {"Complete", "Pruned"}
    assert search(tmp_path / "b.journal", plan(sampler)) == found
    other = search(tmp_path / "c.journal", plan(sampler, seed=18))
    assert [o.params for o in other] != [o.params for o in found]


def test_a_grid_tries_every_combination_once_and_then_ends(tmp_path: Path) -> None:
    found = search(tmp_path / "a.journal", plan(Sampler.GRID, 100))
    combinations = {tuple(outcome.params.items()) for outcome in found}
    assert len(combinations) == len(found) == 27


def test_no_database_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image leaves out what Optuna would need for one."""
    for name in ("sqlalchemy", "alembic"):
        monkeypatch.setitem(sys.modules, name, None)
    assert len(search(tmp_path / "a.journal", plan(trials=2))) == 2


def test_the_given_settings_are_tried_first(tmp_path: Path) -> None:
    given: Params = {"dropout": 0.2, "embeddingDim": 32, "learningRate": 0.003}
    found = search(tmp_path / "a.journal", plan(trials=3, first=given))
    assert found[0].params == given
    assert found[0].folds == pytest.approx((0.49, 0.51))
    assert found[0].loss == pytest.approx(0.5)
    assert results.best(found).index == 0


def test_tpe_learns_where_the_losses_are_low(tmp_path: Path) -> None:
    found = search(tmp_path / "a.journal", plan(trials=40))
    late = [abs(float(outcome.params["dropout"]) - 0.2) for outcome in found[20:]]
    assert sorted(late)[len(late) // 2] < 0.06, "by chance the median is 0.13"


@pytest.mark.parametrize("sampler", list(Sampler))
@pytest.mark.parametrize("after", [0, 5])
def test_a_killed_search_resumes_to_the_same_result(
    tmp_path: Path, sampler: Sampler, after: int
) -> None:
    whole = search(tmp_path / "whole.journal", plan(sampler, 10))
    path = tmp_path / "killed.journal"
    with pytest.raises(Killed):
        search(path, plan(sampler, 10), dying(after))
    assert [t.number for t in trials(path) if t.state is TrialState.RUNNING] == [after]
    assert search(path, plan(sampler, 10)) == whole


def test_more_trials_resume_the_same_search(tmp_path: Path) -> None:
    path, tried = tmp_path / "a.journal", []

    def counting(params: Params, report: Report) -> Sequence[float]:
        tried.append(params)
        return judge(params, report)

    first = search(path, plan(trials=5), counting)
    more = search(path, plan(trials=9), counting)
    assert more[:5] == first
    assert len(tried) == 9
    assert more == search(tmp_path / "b.journal", plan(trials=9))


def test_a_configuration_that_kills_its_process_twice_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    for _ in range(ATTEMPTS):
        with pytest.raises(Killed):
            search(path, plan(trials=4), dying(0))
    found = search(path, plan(trials=4))
    assert found[0].state == "Failed"
    assert [outcome.index for outcome in found] == [0, 1, 2, 3]
    assert found[0].loss is None
    assert results.best(found).index > 0


def test_a_diverged_trial_is_recorded_and_the_search_continues(tmp_path: Path) -> None:
    def diverging(params: Params, report: Report) -> Sequence[float]:
        if params["dropout"] > 0.25:
            raise InputError("TrainingDiverged", "the training loss is not finite")
        return judge(params, report)

    found = search(tmp_path / "a.journal", plan(Sampler.RANDOM), diverging)
    for outcome in found:
        assert (outcome.state == "Diverged") == (outcome.params["dropout"] > 0.25)
        assert (outcome.loss is None) == (outcome.state == "Diverged")
    assert {"Diverged"} < {outcome.state for outcome in found}


def test_another_error_ends_the_search(tmp_path: Path) -> None:
    def full(params: Params, report: Report) -> Sequence[float]:
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        search(tmp_path / "a.journal", plan(), full)


def test_a_search_without_a_completed_trial_says_what_to_change(tmp_path: Path) -> None:
    def never(params: Params, report: Report) -> Sequence[float]:
        raise InputError("TrainingDiverged", "the training loss is not finite")

    found = search(tmp_path / "a.journal", plan(trials=3), never)
    with pytest.raises(InputError, match=r"3 diverged \(narrow search\.space") as caught:
        results.best(found)
    assert caught.value.reason == "SearchFailed"


def climbing(falling: Callable[[int], bool]) -> Objective:
    """The second fold is harder than the first; some trials are bad from it on alone."""
    count = 0

    def objective(params: Params, report: Report) -> Sequence[float]:
        nonlocal count
        count += 1
        bad = 0.2 if falling(count) else 0.0
        report(1, 0.5)
        report(1_000_001, 0.6 + bad)
        return [0.5, 0.7 + bad]

    return objective


def test_a_trial_above_the_median_at_its_step_is_pruned_despite_a_good_earlier_fold(
    tmp_path: Path,
) -> None:
    found = search(tmp_path / "a.journal", plan(trials=8), climbing(lambda count: count > 4))
    assert [outcome.state for outcome in found] == ["Complete"] * 4 + ["Pruned"] * 4
    assert found[-1].loss == pytest.approx(0.8)
    assert found[-1].folds == ()


@pytest.mark.parametrize(("looks", "state"), [(3, "Complete"), (4, "Pruned")])
def test_no_trial_is_pruned_in_the_first_two_epochs(
    tmp_path: Path, looks: int, state: str
) -> None:
    count = 0

    def objective(params: Params, report: Report) -> Sequence[float]:
        nonlocal count
        count += 1
        for look in range(1, 6):
            report(look, 0.9 if count == 5 and look <= looks else 0.5)
        return [0.4]

    assert search(tmp_path / "a.journal", plan(trials=5), objective)[-1].state == state


def test_nothing_is_pruned_without_a_median_or_with_pruning_off(
    tmp_path: Path,
) -> None:
    early = search(tmp_path / "a.journal", plan(trials=4), climbing(lambda count: count > 1))
    assert [outcome.state for outcome in early] == ["Complete"] * 4
    off = plan(trials=8, pruning=False)
    late = search(tmp_path / "b.journal", off, climbing(lambda count: count > 4))
    assert [outcome.state for outcome in late] == ["Complete"] * 8


def test_no_trial_starts_after_the_time_is_used_up(tmp_path: Path) -> None:
    now = 0.0
    study = Study(tmp_path / "a.journal", plan(seconds=10), lambda: now)
    for _ in range(3):
        trial = study.ask("0")
        assert trial is not None
        study.run(trial, judge)
        now += 4
    assert study.ask("0") is None
    assert len(study.outcomes()) == 3


def test_an_unfinished_line_of_the_journal_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    whole = search(path, plan(trials=3))
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"worker')
    assert search(path, plan(trials=3)) == whole
    assert search(path, plan(trials=5))[:3] == whole


def test_a_journal_lock_of_a_dead_process_does_not_block_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def waited(seconds: float) -> None:
        raise AssertionError("it waited for the lock")

    monkeypatch.setattr(time, "sleep", waited)
    path = tmp_path / "a.journal"
    Path(f"{path}.lock").symlink_to(path)
    assert len(search(path, plan(trials=2))) == 2


def _hold(path: Path, held: multiprocessing.synchronize.Event) -> None:
    with workers.only_search(path):
        held.set()
        signal.pause()


def test_a_second_search_waits_and_a_killed_one_blocks_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = multiprocessing.get_context("fork")
    held, path = context.Event(), tmp_path / "a.journal"
    other = context.Process(target=_hold, args=(path, held))
    other.start()
    assert held.wait(30)
    monkeypatch.setattr(workers, "say", lambda text: other.kill() if "waiting" in text else None)
    assert len(search(path, plan(trials=2))) == 2
    other.join()
    assert other.exitcode == -signal.SIGKILL


def test_the_trial_of_a_killed_worker_is_retried_by_another(tmp_path: Path) -> None:
    path, how = tmp_path / "a.journal", plan(trials=5, parallelism=2)
    found = workers.search_in_workers(path, how, Deadly(tmp_path / "killed"))
    assert (tmp_path / "killed").exists()
    assert [outcome.index for outcome in found] == list(range(5))
    assert {outcome.state for outcome in found} <= {"Complete", "Pruned"}
    assert [trial.user_attrs.get("lost", 0) for trial in trials(path)].count(1) == 1


def test_a_worker_without_its_parent_ends_and_its_trial_is_retried(tmp_path: Path) -> None:
    path, how = tmp_path / "a.journal", plan(trials=3, parallelism=2)
    with pytest.raises(SystemExit) as caught:
        workers._process(path, how, Judge(), "orphan", parent=-1)
    assert caught.value.code == 1
    assert [trial.state for trial in trials(path)] == [TrialState.RUNNING]
    workers._process(path, how, Judge(), "other", parent=os.getppid())
    assert [o.index for o in Study(path, how).outcomes()] == [1, 2], "that of the orphan is open"
    assert len(search(path, plan(trials=3))) == 3


def test_a_worker_that_dies_before_its_first_trial_ends_the_search(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="ended with 3 outside a trial"):
        workers.search_in_workers(
            tmp_path / "a.journal", plan(parallelism=2, trials=2), Unusable()
        )
