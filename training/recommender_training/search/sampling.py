"""Sampler and pruner of the search, based on Optuna.

Each trial has its own sampler, seeded by the search's seed and the trial's number, so that an
interrupted search draws the same trials.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from recommender_contract.resource.search import Sampler
from recommender_training.config.search_space import Dimension, Params

#: Random trials before TPE uses the results.
STARTUP_TRIALS = 8
#: Fewest completed trials for a median.
PRUNE_AFTER = 4
#: Evaluations of the first fold (two per epoch) without pruning: a small learning rate starts
#: slowly and may still be the best.
WARMUP_LOOKS = 4


def distributions(space: Sequence[Dimension]) -> dict[str, BaseDistribution]:
    """Return the dimensions as Optuna distributions."""
    return {dimension.name: _distribution(dimension) for dimension in space}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.choices is not None:
        return optuna.distributions.CategoricalDistribution(dimension.choices)
    if dimension.integer:
        return optuna.distributions.IntDistribution(
            int(dimension.low), int(dimension.high), log=dimension.log
        )
    return optuna.distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


class SeededSampler(BaseSampler):
    """Returns the given configurations in order, then draws by TPE or at random."""

    def __init__(
        self, kind: Sampler, seed: int, space: Sequence[Dimension], given: Sequence[Params]
    ) -> None:
        self._kind, self._seed, self._given = kind, seed, given
        self._distributions = distributions(space)

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Return the whole space: all values of a trial are drawn together."""
        return self._distributions

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the values of a trial, which depend on its number and the finished trials."""
        if trial.number < len(self._given):
            return dict(self._given[trial.number])
        own = self._of_trial(trial.number)
        drawn = own.sample_relative(study, trial, own.infer_relative_search_space(study, trial))
        for name, distribution in search_space.items():
            if name not in drawn and not distribution.single():
                drawn[name] = own.sample_independent(study, trial, name, distribution)
        return drawn

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> Any:
        """Refuse a hyperparameter outside the space."""
        raise KeyError(param_name)

    def _of_trial(self, number: int) -> BaseSampler:
        seed = int(np.random.SeedSequence((self._seed, number)).generate_state(1)[0])
        if self._kind is Sampler.RANDOM:
            return optuna.samplers.RandomSampler(seed=seed)
        return optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=seed)


class MedianAtStep(BasePruner):
    """Prunes a trial whose value at a step is above the median of completed trials at that step.

    Optuna's MedianPruner compares a trial's best value of all steps with that median, so it keeps
    each trial whose first fold is easy.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return True if to prune the trial now."""
        step = trial.last_step
        if step is None or step < WARMUP_LOOKS:
            return False
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        values = [t.intermediate_values[step] for t in done if step in t.intermediate_values]
        if len(values) < PRUNE_AFTER:
            return False
        return trial.intermediate_values[step] > float(np.median(values))


def pruner(pruning: bool) -> BasePruner:
    """Return the pruner of a search."""
    return MedianAtStep() if pruning else optuna.pruners.NopPruner()


def params_of(attributes: Mapping[str, Any], space: Sequence[Dimension]) -> Params:
    """Return the values that Optuna drew, rounded for use."""
    return {dimension.name: dimension.rounded(attributes[dimension.name]) for dimension in space}
