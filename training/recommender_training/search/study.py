"""The record of a search: a journal file that several processes share and a kill does not hurt.

Optuna numbers trials; a configuration has an index of its own, for one that died is tried again
under a new number. With one worker, what is found depends on settings, seed and data alone,
however often the search was interrupted.
"""

from __future__ import annotations

import contextlib
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
from recommender_training.config.search import Sampler
from recommender_training.config.search_space import Dimension, Params
from recommender_training.search import sampling
from recommender_training.search.locks import locked

#: A configuration whose worker dies is tried so often in all.
ATTEMPTS = 2
_NAME = "search"


class Pruned(Exception):  # noqa: N818 - an outcome, not an error
    """The trial is not worth more time."""


#: Takes a step and the loss so far; raises Pruned where the trial should end.
Report = Callable[[int, float], None]
#: Gives the loss of a configuration on each fold; it is judged by their mean.
Objective = Callable[[Params, Report], Sequence[float]]


@dataclass(frozen=True)
class Plan:
    """What is searched and for how long."""

    space: tuple[Dimension, ...]
    sampler: Sampler
    trials: int
    seconds: int | None
    parallelism: int
    pruning: bool
    seed: int
    first: Params | None  # tried before any other, unless the sampler is a grid

    def told(self) -> list[Params]:
        """The configurations that nobody draws: all of a grid, or the first one."""
        if self.sampler is Sampler.GRID:
            return spaces.grid(self.space, self.seed)
        return [] if self.first is None else [self.first]


@dataclass(frozen=True)
class Outcome:
    """What became of a configuration."""

    index: int
    state: str  # Complete, Pruned, Diverged, Failed
    loss: float | None  # mean of the folds; of a pruned trial, what it was ended at
    folds: tuple[float, ...]  # of a completed trial
    params: Params
    steps: int


class Study:
    """The trials of a search, told apart by index."""

    def __init__(
        self, path: Path, plan: Plan, clock: Callable[[], float] = time.monotonic
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self.plan, self._clock = path, plan, clock
        self._told = plan.told()
        grid = plan.sampler is Sampler.GRID
        self._budget = min(plan.trials, len(self._told)) if grid else plan.trials
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
        """Configurations to try, where the time allows it."""
        return self._budget

    def give_up(self, worker: str | None = None) -> int:
        """Tell as failed what a dead worker has begun, or what anybody has; how many."""
        running = [
            trial
            for trial in self._trials(TrialState.RUNNING)
            if worker is None or trial.user_attrs.get("worker") == worker
        ]
        for trial in running:
            self._study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        return len(running)

    def ask(self, worker: str) -> optuna.Trial | None:
        """Begin the next configuration; None where the budget is used up."""
        with self._alone():
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
        """Try a configuration and write down what came of it."""

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
        """The settings of a trial."""
        return sampling.params_of(trial.params, self.plan.space)

    def begun(self, worker: str) -> bool:
        """Whether this worker has begun any configuration."""
        return any(trial.user_attrs.get("worker") == worker for trial in self._trials())

    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of each configuration that was tried, by index."""
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
        """The tries of each configuration, in their order."""
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
        if index < len(self._told):
            return sampling.Fixed(self._told[index])
        return sampling.sampler(self.plan.sampler, self.plan.seed, index)

    def _late(self) -> bool:
        """Whether the time is used up; that of former runs counts, by what their trials took."""
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
    def _alone(self) -> Iterator[None]:
        """One process at a time looks at the budget and begins a configuration."""
        with locked(self._path.with_suffix(".ask")):
            yield
