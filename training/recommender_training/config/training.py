"""The section `training` of the resource, as the Job receives it (`--config`, camelCase)."""

from __future__ import annotations

import json

from pydantic import ValidationError

from recommender_contract.resource import hyperparameters
from recommender_contract.resource.hyperparameters import Retrieval
from recommender_contract.resource.mitigation import Exposure, Reweighting
from recommender_contract.resource.search import Sampler
from recommender_contract.resource.training_settings import (
    Algorithm,
    Fault,
    FaultInjection,
    Repeats,
    TrainingSettings,
)
from recommender_training.common.errors import InputError
from recommender_training.common.section import problems
from recommender_training.config import lists, search_space

#: Settings of the Job; ignored here, so that the whole section can be passed.
_JOB_SETTINGS = frozenset({"resources", "workers", "backoffLimit", "deadlineSeconds"})


#: Seconds of a day.
DAY = 86_400


class Hyperparameters(hyperparameters.Hyperparameters):
    """Settings of the deep ranker."""

    def list_plan(self, items: int) -> lists.ListPlan:
        """How lists are made of so many items; raises InputError `CatalogueTooLarge`."""
        weights = None if self.retrieval is Retrieval.TWO_TOWER else self.item_weights
        return lists.plan(items, weights, self.candidates, self.item_index)


class TrainingConfig(TrainingSettings):
    """Settings of a training, and a fault to rehearse."""

    hyperparameters: Hyperparameters = Hyperparameters()
    fault_injection: FaultInjection | None = None
    #: Requests tell what is popular now (`events.trending` of the resource).
    trends: bool = False

    @property
    def fault(self) -> Fault | None:
        """The injected fault, if any."""
        return self.fault_injection.fault if self.fault_injection else None

    @property
    def repeat_after(self) -> int | None:
        """Declared seconds until an item may come again; None for never, and for Auto."""
        if self.repeats is Repeats.ALLOWED:
            return 0
        if self.repeats is Repeats.AFTER_DAYS and self.repeats_after_days is not None:
            return round(self.repeats_after_days * DAY)
        return None

    @property
    def reweighting(self) -> Reweighting | None:
        """The reweighting, if any weight can differ from 1."""
        found = self.mitigation.reweighting if self.mitigation else None
        return found if found and found.active else None

    @property
    def exposure(self) -> Exposure | None:
        """The exposure constraint, if it can change a list."""
        found = self.mitigation.exposure if self.mitigation else None
        return found if found and found.active else None


def parse_config(text: str) -> TrainingConfig:
    """Parse `--config`.

    Raises InputError `InvalidConfig` with the field, its value and its limits.
    """
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError("InvalidConfig", f"--config is not JSON: {error}") from error
    if not isinstance(raw, dict):
        raise InputError("InvalidConfig", "--config must be a JSON object, such as {}")
    known = {key: value for key, value in raw.items() if key not in _JOB_SETTINGS}
    try:
        config = TrainingConfig.model_validate(known, extra="forbid")
    except ValidationError as error:
        found = problems(error, TrainingConfig)
        raise InputError("InvalidConfig", f"--config: {found}") from error
    check_search(config)
    _check_variants(config)
    _check_repeats(config)
    return config


def _check_repeats(config: TrainingConfig) -> None:
    days = config.repeats_after_days
    if (config.repeats is Repeats.AFTER_DAYS) != (days is not None):
        stated = "is missing" if days is None else f"is {days:g}"
        raise InputError(
            "InvalidConfig",
            f"--config: repeats={config.repeats.value}, and repeatsAfterDays {stated}: set it "
            "with repeats=AfterDays, and only then",
        )


def _check_variants(config: TrainingConfig) -> None:
    if config.export.variants and config.hyperparameters.retrieval is Retrieval.TWO_TOWER:
        raise InputError(
            "InvalidConfig",
            "--config: export.variants compress the item-to-item weights, and "
            "hyperparameters.retrieval=TwoTower has none: leave the variants out, or set "
            "retrieval to Weights or Both",
        )


def check_search(config: TrainingConfig) -> None:
    """Raise InputError `InvalidConfig` if the search space is invalid for the algorithm."""
    search = config.search
    if search is None:
        return
    if config.algorithm is not Algorithm.DEEP_RANKER:
        raise InputError(
            "InvalidConfig",
            f"--config: search needs the algorithm DeepRanker; {config.algorithm.value} has no "
            "hyperparameters",
        )
    found = search_space.dimensions(search.space, config.hyperparameters)
    if search.sampler is Sampler.GRID:
        search_space.grid(found, config.seed)
