"""Settings that name a declared feature, against the data: refused before the first fit."""

from __future__ import annotations

from collections.abc import Iterator

from recommender_contract.features import LISTS as WITHOUT_ONE_VALUE
from recommender_contract.features import WITH_VOCABULARY
from recommender_contract.resource.mitigation import POPULARITY, SEGMENT
from recommender_training.common.errors import InputError
from recommender_training.config.feature_schema import FeatureTable
from recommender_training.config.training import TrainingConfig
from recommender_training.data.dataset import Dataset


def check_references(config: TrainingConfig, data: Dataset) -> None:
    """Raise InputError `InvalidConfig` if a setting names a feature that the data lacks."""
    for setting, value, known in _named(config, data):
        if value not in known:
            allowed = " or ".join(filter(None, [", ".join(known[:-1]), *known[-1:]]))
            remedy = f"use {allowed}" if known else "declare it, or remove the setting"
            raise InputError(
                "InvalidConfig",
                f"{setting}={value}: the data declares no such feature; {remedy}",
            )


def _named(config: TrainingConfig, data: Dataset) -> Iterator[tuple[str, str, list[str]]]:
    """Yield each setting that names a feature, its value, and the values that it may have."""
    # an age changes with the request, and users of several categories are in no group
    users = [
        each.name
        for each in data.attributes
        if each.place is FeatureTable.USERS
        and not each.timed
        and each.feature.kind not in WITHOUT_ONE_VALUE
    ]
    items = [block.name for block in data.items.blocks]
    if config.reweighting is not None:
        yield "mitigation.reweighting.by", config.reweighting.by, [SEGMENT, *users]
    if config.exposure is not None:
        yield "mitigation.exposure.by", config.exposure.by, [POPULARITY, *items]
    injected = config.fault_injection
    if injected is not None and injected.feature is not None:
        categorical = (each.feature for each in data.attributes)
        named = [each.name for each in categorical if each.kind in WITH_VOCABULARY]
        yield "faultInjection.feature", injected.feature, [*named, *items]
