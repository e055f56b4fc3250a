"""The study of a search: Optuna's journal file, which workers share and which survives a kill.

With one worker, the results depend only on settings, seed and data, regardless of interruptions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from recommender_contract.resource.search import Sampler, SearchSpec
from recommender_training.common.errors import InputError
from recommender_training.config import search_space as spaces
from recommender_training.config.search_space import Dimension, Params
from recommender_training.search import sampling

#: Attempts for a configuration whose worker dies.
ATTEMPTS = 2
_NAME = "search"

#: Takes a step and the loss so far; raises optuna.TrialPruned if the trial should end.
Report = Callable[[int, float], None]
#: Returns the loss of a configuration on each fold; their mean is the value of the trial.
Objective = Callable[[Params, Report], Sequence[float]]


@dataclass(frozen=True)
class Plan:
    """Settings and space of a search."""

    settings: SearchSpec
    space: tuple[Dimension, ...]
    seed: int
    first: Params | None  # the first configuration, unless the sampler is a grid

    def given(self) -> list[Params]:
        """Return the configurations that are not drawn: a whole grid, or the first one."""
        if self.settings.sampler is Sampler.GRID:
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
    """The trials of a search."""

    def __init__(
        self, path: Path, plan: Plan, clock: Callable[[], float] = time.monotonic
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._plan, self._clock, given = plan, clock, plan.given()
        settings = plan.settings
        grid = settings.sampler is Sampler.GRID
        #: Number of configurations to try, if the time allows.
        self.budget = min(settings.trials, len(given)) if grid else settings.trials
        self._storage = JournalStorage(
            JournalFileBackend(str(path), JournalFileOpenLock(str(path)))
        )
        self._study = optuna.create_study(
            storage=self._storage,
            study_name=_NAME,
            sampler=sampling.SeededSampler(settings.sampler, plan.seed, plan.space, given),
            pruner=sampling.pruner(settings.pruning),
            load_if_exists=True,
        )
        self._started = clock() - self._spent()

    def ask(self, worker: str) -> optuna.Trial | None:
        """Start the next configuration; return None if the budget is used up."""
        seconds = self._plan.settings.seconds
        if seconds is not None and self._clock() - self._started >= seconds:
            return None
        trial = self._study.ask(sampling.distributions(self._plan.space))
        if trial.number >= self.budget:
            self._set_state(trial.number, TrialState.WAITING)
            return None
        trial.set_user_attr("worker", worker)
        return trial

    def run(self, trial: optuna.Trial, objective: Objective) -> None:
        """Evaluate a configuration and record the result."""
        # An attempt before this one may have reported the first steps.
        reported = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values.keys()

        def report(step: int, loss: float) -> None:
            if step not in reported:
                trial.report(loss, step)
            if trial.should_prune():
                raise optuna.TrialPruned

        try:
            losses = objective(self._params(trial), report)
        except optuna.TrialPruned:
            self._study.tell(trial, state=TrialState.PRUNED)
        except InputError as error:
            if error.reason != "TrainingDiverged":
                raise
            trial.set_user_attr("diverged", True)
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            trial.set_user_attr("folds", list(losses))
            self._study.tell(trial, fmean(losses))

    def release(self, worker: str | None = None) -> int:
        """Queue the running trials of a dead worker (None: of all workers) again; count them.

        A trial that has had its attempts fails.
        """
        running = [
            trial
            for trial in self._study.get_trials(states=(TrialState.RUNNING,))
            if worker is None or trial.user_attrs.get("worker") == worker
        ]
        for trial in running:
            lost = trial.user_attrs.get("lost", 0) + 1
            self._storage.set_trial_user_attr(self._id(trial.number), "lost", lost)
            state = TrialState.FAIL if lost >= ATTEMPTS else TrialState.WAITING
            self._set_state(trial.number, state)
        return len(running)

    def outcomes(self) -> tuple[Outcome, ...]:
        """Return the result of each finished configuration, in order."""
        trials = self._study.get_trials(deepcopy=False)
        return tuple(self._outcome(trial) for trial in trials if trial.state.is_finished())

    def _outcome(self, trial: FrozenTrial) -> Outcome:
        state = {TrialState.COMPLETE: "Complete", TrialState.PRUNED: "Pruned"}.get(trial.state)
        if trial.user_attrs.get("diverged"):
            state = "Diverged"
        return Outcome(
            index=trial.number,
            state=state or "Failed",
            loss=trial.value if state in ("Complete", "Pruned") else None,
            folds=tuple(trial.user_attrs.get("folds", ())),
            params=self._params(trial),
            steps=len(trial.intermediate_values),
        )

    def _params(self, trial: optuna.Trial | FrozenTrial) -> Params:
        return sampling.params_of(trial.params, self._plan.space)

    def _id(self, number: int) -> int:
        study = self._storage.get_study_id_from_name(_NAME)
        return self._storage.get_trial_id_from_study_id_trial_number(study, number)

    def _set_state(self, number: int, state: TrialState) -> None:
        self._storage.set_trial_state_values(self._id(number), state)

    def _spent(self) -> float:
        """Return the seconds that earlier runs have used."""
        done = self._study.get_trials(states=(TrialState.COMPLETE, TrialState.PRUNED))
        took = [trial.duration.total_seconds() for trial in done if trial.duration is not None]
        return sum(took) / self._plan.settings.parallelism
