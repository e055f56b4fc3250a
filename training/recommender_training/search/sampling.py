"""How Optuna draws a trial and when it ends one early.

A trial is drawn by a sampler of its own, seeded by the search's seed and the trial's index, so
that a search that was interrupted draws what it would have drawn.
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

from recommender_training.config.search import Sampler
from recommender_training.config.search_space import Dimension, Params

#: Trials that TPE draws at random before it believes what it has seen.
STARTUP_TRIALS = 8
#: Completed trials that the median of a step needs.
PRUNE_AFTER = 4
#: Looks at the first fold (two an epoch) in which no trial is ended: a small learning rate is slow
#: at first, and may be the best in the end.
WARMUP_LOOKS = 4


def distributions(space: Sequence[Dimension]) -> dict[str, BaseDistribution]:
    """The dimensions in Optuna's words."""
    return {dimension.name: _distribution(dimension) for dimension in space}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.choices is not None:
        return optuna.distributions.CategoricalDistribution(dimension.choices)
    if dimension.integer:
        return optuna.distributions.IntDistribution(
            int(dimension.low), int(dimension.high), log=dimension.log
        )
    return optuna.distributions.FloatDistribution(dimension.low, dimension.high, log=dimension.log)


class Fixed(BaseSampler):
    """Draws what it is told: a point of a grid, or a trial again."""

    def __init__(self, params: Params) -> None:
        self._params = params

    def infer_relative_search_space(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
    ) -> dict[str, BaseDistribution]:
        """Nothing is drawn together."""
        return {}

    def sample_relative(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        search_space: dict[str, BaseDistribution],  # noqa: ARG002
    ) -> dict[str, Any]:
        """Nothing is drawn together."""
        return {}

    def sample_independent(
        self,
        study: optuna.Study,  # noqa: ARG002
        trial: FrozenTrial,  # noqa: ARG002
        param_name: str,
        param_distribution: BaseDistribution,  # noqa: ARG002
    ) -> Any:
        """The value that it was told."""
        return self._params[param_name]


def sampler(kind: Sampler, seed: int, index: int) -> BaseSampler:
    """The sampler of the trial with this index, TPE or random."""
    own = int(np.random.SeedSequence((seed, index)).generate_state(1)[0])
    if kind is Sampler.RANDOM:
        return optuna.samplers.RandomSampler(seed=own)
    return optuna.samplers.TPESampler(n_startup_trials=STARTUP_TRIALS, seed=own)


class MedianAtStep(BasePruner):
    """Ends a trial whose value at a step is above the median of the completed ones there.

    Optuna's MedianPruner holds a trial's best value of all its steps against that median, and
    spares each trial whose first fold was an easy one.
    """

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether the trial ends here."""
        step = trial.last_step
        if step is None or step < WARMUP_LOOKS:
            return False
        done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        values = [t.intermediate_values[step] for t in done if step in t.intermediate_values]
        if len(values) < PRUNE_AFTER:
            return False
        return trial.intermediate_values[step] > float(np.median(values))


def pruner(pruning: bool) -> BasePruner:
    """The pruner of a search."""
    return MedianAtStep() if pruning else optuna.pruners.NopPruner()


def params_of(attributes: Mapping[str, Any], space: Sequence[Dimension]) -> Params:
    """What Optuna has drawn, as it is used."""
    return {dimension.name: dimension.rounded(attributes[dimension.name]) for dimension in space}
