"""The study of a search: a journal file that several processes share and that survives a kill.

Optuna numbers trials. A configuration also has an index, since a failed one is retried under a new
number. With one worker, the results depend only on settings, seed and data, regardless of
interruptions.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from recommender_training.common.errors import InputError
from recommender_training.config import search_space as spaces
from recommender_training.config.search_settings import Sampler
from recommender_training.config.search_space import Dimension, Params
from recommender_training.search import sampling


@contextlib.contextmanager
def journal_lock(path: Path, waiting: Callable[[], None] | None = None) -> Iterator[None]:
    """Hold the lock at `path`; the kernel releases it when the process ends for any reason.

    Calls `waiting` once if another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if waiting is not None:
                waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def repair_journal(path: Path) -> None:
    """Remove an unfinished last line of a journal, left by a full disk or a kill."""
    if not path.exists():
        return
    text = path.read_bytes()
    whole = text.rfind(b"\n") + 1
    if whole < len(text):
        with path.open("r+b") as file:
            file.truncate(whole)


#: Attempts for a configuration whose worker dies.
ATTEMPTS = 2
_NAME = "search"


class Pruned(Exception):  # noqa: N818 - an outcome, not an error
    """Raised to prune a trial."""


#: Takes a step and the loss so far; raises Pruned if the trial should end.
Report = Callable[[int, float], None]
#: Returns the loss of a configuration on each fold; their mean is the value of the trial.
Objective = Callable[[Params, Report], Sequence[float]]


@dataclass(frozen=True)
class Plan:
    """Space and budget of a search."""

    space: tuple[Dimension, ...]
    sampler: Sampler
    trials: int
    seconds: int | None
    parallelism: int
    pruning: bool
    seed: int
    first: Params | None  # the first configuration, unless the sampler is a grid

    def given(self) -> list[Params]:
        """Return the configurations that are not drawn: a whole grid, or the first one."""
        if self.sampler is Sampler.GRID:
            return spaces.grid(self.space, self.seed)
        return [] if self.first is None else [self.first]


@dataclass(frozen=True)
class Outcome:
    """Result of a configuration."""

    index: int
    state: str  # Complete, Pruned, Diverged, Failed
    loss: float | None  # mean of the folds; the last value of a pruned trial
    folds: tuple[float, ...]  # of a completed trial
    params: Params
    steps: int


class Study:
    """The trials of a search, by index."""

    def __init__(
        self, path: Path, plan: Plan, clock: Callable[[], float] = time.monotonic
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self.plan, self._clock = path, plan, clock
        self._given = plan.given()
        grid = plan.sampler is Sampler.GRID
        self._budget = min(plan.trials, len(self._given)) if grid else plan.trials
        self._distributions = sampling.distributions(plan.space)
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(path))),
            study_name=_NAME,
            pruner=sampling.pruner(plan.pruning),
            load_if_exists=True,
        )
        self._opened = clock()
        self._before = self._spent_by_others()

    @property
    def budget(self) -> int:
        """Number of configurations to try, if the time allows."""
        return self._budget

    def give_up(self, worker: str | None = None) -> int:
        """Mark the running trials of a dead worker (None: all workers) as failed; count them."""
        running = [
            trial
            for trial in self._trials(TrialState.RUNNING)
            if worker is None or trial.user_attrs.get("worker") == worker
        ]
        for trial in running:
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        return len(running)

    def ask(self, worker: str) -> optuna.Trial | None:
        """Start the next configuration; return None if the budget is used up."""
        with self._exclusive():
            known = self._by_index()
            again = self._to_repeat(known)
            index = max(known, default=-1) + 1 if again is None else again
            if again is None and (index >= self._budget or self._late()):
                return None
            self._study.sampler = self._sampler(index, known)
            trial = self._study.ask(self._distributions)
            trial.set_user_attr("worker", worker)
            trial.set_user_attr("index", index)
            return trial

    def run(self, trial: optuna.Trial, objective: Objective) -> None:
        """Evaluate a configuration and record the result."""

        def report(step: int, loss: float) -> None:
            trial.report(loss, step)
            if trial.should_prune():
                raise Pruned

        try:
            losses = objective(self.params(trial), report)
        except Pruned:
            self._study.tell(trial, state=TrialState.PRUNED)
        except InputError as error:
            if error.reason != "TrainingDiverged":
                raise
            trial.set_user_attr("diverged", True)
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            trial.set_user_attr("folds", list(losses))
            self._study.tell(trial, fmean(losses))

    def params(self, trial: optuna.Trial | FrozenTrial) -> Params:
        """Return the hyperparameters of a trial."""
        return sampling.params_of(trial.params, self.plan.space)

    def started(self, worker: str) -> bool:
        """Return True if this worker has started any configuration."""
        return any(trial.user_attrs.get("worker") == worker for trial in self._trials())

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return the result of each finished configuration, by index."""
        return tuple(
            self._outcome(index, tries[-1])
            for index, tries in sorted(self._by_index().items())
            if tries[-1].state.is_finished()
        )

    def _outcome(self, index: int, trial: FrozenTrial) -> Outcome:
        state = {TrialState.COMPLETE: "Complete", TrialState.PRUNED: "Pruned"}.get(trial.state)
        if trial.user_attrs.get("diverged"):
            state = "Diverged"
        return Outcome(
            index=index,
            state=state or "Failed",
            loss=trial.value if state in ("Complete", "Pruned") else None,
            folds=tuple(trial.user_attrs.get("folds", ())),
            params=self.params(trial),
            steps=len(trial.intermediate_values),
        )

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states or None)

    def _by_index(self) -> dict[int, list[FrozenTrial]]:
        """Return the trials of each configuration, in order."""
        found: dict[int, list[FrozenTrial]] = {}
        for trial in self._trials():
            if "index" in trial.user_attrs:
                found.setdefault(trial.user_attrs["index"], []).append(trial)
        return found

    @staticmethod
    def _to_repeat(known: dict[int, list[FrozenTrial]]) -> int | None:
        lost = [
            index
            for index, tries in known.items()
            if len(tries) < ATTEMPTS and tries[-1].state is TrialState.FAIL
        ]
        return min(lost, default=None)

    def _sampler(
        self, index: int, known: dict[int, list[FrozenTrial]]
    ) -> optuna.samplers.BaseSampler:
        if index in known:
            return sampling.Fixed(known[index][-1].params)
        if index < len(self._given):
            return sampling.Fixed(self._given[index])
        return sampling.sampler(self.plan.sampler, self.plan.seed, index)

    def _late(self) -> bool:
        """Return True if the time is used up, including the trials of earlier runs."""
        if self.plan.seconds is None:
            return False
        return self._before + self._clock() - self._opened >= self.plan.seconds

    def _spent_by_others(self) -> float:
        took = [
            trial.duration.total_seconds()
            for trial in self._trials(TrialState.COMPLETE, TrialState.PRUNED)
            if trial.duration is not None
        ]
        return sum(took) / self.plan.parallelism

    @contextlib.contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Let one process at a time check the budget and start a configuration."""
        with journal_lock(self._path.with_suffix(".ask")):
            yield
