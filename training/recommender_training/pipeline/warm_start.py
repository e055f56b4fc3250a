"""Warm start: a training from the champion's weights, and its section in the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from recommender_contract.resource.training_settings import Algorithm, WarmEvents
from recommender_training.artifact import checkpoint, manifest
from recommender_training.artifact.checkpoint import CheckpointError
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.config.training import TrainingConfig
from recommender_training.distributed.group import Group
from recommender_training.features.prepared_data import PreparedData
from recommender_training.fitted.bundle import Bundle
from recommender_training.fitted.predict import predict
from recommender_training.statistics import calibration, model_metrics
from recommender_training.trainer.deep_ranker import new_ranker
from recommender_training.trainer.initial_weights import WarmStart

#: Old rows that a fit on new ones is asked about.
MAX_OLD_ROWS = 50_000


def resolve(
    config: TrainingConfig, prepared: PreparedData, champion: tuple[Path, str] | None
) -> tuple[WarmStart | None, dict[str, Any] | None]:
    """Where to start from, and the section `warmStart` of the report; both None where it is off.

    `champion` is its artifact and digest. Whatever is wrong with it fails no training: it then
    starts from fresh weights, and the section states why.
    """
    if config.warm_start is None:
        return None, None
    mode = config.warm_start.mode
    section: dict[str, Any] = {"mode": mode.value, "warm": False}
    try:
        if config.algorithm is not Algorithm.DEEP_RANKER:
            raise CheckpointError(f"the algorithm {config.algorithm.value} has no checkpoint")
        if champion is None:
            raise CheckpointError("there is no champion yet")
        artifact, section["champion"] = champion
        manifest.verify_artifact(artifact, section["champion"])
        events = config.warm_start.events
        start = WarmStart(checkpoint.read_checkpoint(artifact), mode, section["champion"], events)
        groups = prepared.constants.groups
        start.check(prepared.data, groups, prepared.split.validation_start)
        with torch.random.fork_rng(devices=[]):  # a warm start that fails leaves no trace
            start.apply(new_ranker(prepared, config), prepared.data)
    except CheckpointError as error:
        return None, _cold(section, str(error))
    except InputError as error:  # names paths of this machine, which are not the report's business
        say(f"train: {error.message}")
        return None, _cold(section, f"the champion's artifact is refused: {error.reason}")
    section |= {"warm": True, "seenUntil": start.checkpoint.seen_until, **start.new(prepared.data)}
    new = start.new_rows(prepared.data, prepared.split.train)
    section["events"] = (WarmEvents.ALL if new is None else WarmEvents.NEW).value
    section["rows"] = len(prepared.split.train if new is None else new)
    say(f"train: warm start from {section['champion']}, {mode.value}, {section['rows']} rows")
    return start, section


def forgotten(
    start: WarmStart | None, prepared: PreparedData, config: TrainingConfig, fitted: Bundle
) -> dict[str, Any]:
    """Loss of a fit on new events alone, on the old ones: the field `forgotten` of the section.

    The log loss on rows of the training window that the champion was fitted on, by its weights
    and by those of `fitted`, which are uncalibrated. Empty where all events were fitted on.
    """
    data, rows = prepared.data, prepared.split.train
    if start is None or fitted.deep is None or start.new_rows(data, rows) is None:
        return {}
    old = rows[data.events.time[rows] < start.checkpoint.seen_until]
    if len(old) == 0:
        return {}
    if len(old) > MAX_OLD_ROWS:
        drawn = np.random.default_rng(0).choice(old, MAX_OLD_ROWS, replace=False)
        old = np.sort(drawn)
    with torch.random.fork_rng(devices=[]):
        before = new_ranker(prepared, config)
    start.apply(before, data)
    losses = []
    for model in (before, fitted.deep):
        logits = predict(model, prepared.inputs, torch.from_numpy(old)).numpy()
        losses.append(
            model_metrics.log_loss(data.events.label[old], calibration.probability(logits))
        )
    found = dict(zip(("logLossBefore", "logLossAfter"), losses, strict=True))
    say(f"train: log loss of old events {losses[0]:.4f}, and {losses[1]:.4f} after the fit")
    return {
        "forgotten": {"rows": len(old), **{key: round(loss, 6) for key, loss in found.items()}}
    }


def shared(group: Group, config: TrainingConfig, start: WarmStart | None) -> WarmStart | None:
    """Warm start of the first process, in all of them: it alone reads the champion's artifact.

    Every process of a group calls this once; the others give None.
    """
    if config.warm_start is None or config.algorithm is not Algorithm.DEEP_RANKER:
        return None
    found = group.from_first(None if start is None else start.state())
    return None if found is None else WarmStart.of(found)


def _cold(section: dict[str, Any], why: str) -> dict[str, Any]:
    say(f"train: cold start: {why}")
    return {**section, "message": f"cold start: {why}"}


def write_checkpoint(
    root: Path, bundle: Bundle, prepared: PreparedData, config: TrainingConfig
) -> None:
    """Write the checkpoint of an artifact: the ranker as it was before it saw the validation
    window. None for a model with a fault, which nobody should start from.
    """
    if bundle.deep is not None and config.fault_injection is None:
        labels = prepared.data.events.labels
        until = prepared.split.validation_start - (labels.delay if labels else 0)
        groups = prepared.constants.groups
        deep = bundle.deep
        checkpoint.write_checkpoint(root, deep, prepared.data, groups, until, deep.shared_rows)
