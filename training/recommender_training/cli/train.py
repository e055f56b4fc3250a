"""`train`: from a data version to a staged artifact."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender_training.artifact import manifest
from recommender_training.cli import options, termination_report
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome, searched, summary
from recommender_training.common.errors import InputError
from recommender_training.common.progress import say
from recommender_training.config.training import parse_config
from recommender_training.data_checks import lake_files

if TYPE_CHECKING:
    from recommender_training.distributed.group import Group
    from recommender_training.pipeline.champion import Comparison
    from recommender_training.pipeline.training import TrainResult


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(verbs, "train", "train on a data version and stage the artifact")
    options.data_version(command)
    options.model_config(command)
    options.report(command)
    command.add_argument("--output", type=Path, required=True, help="folder to stage at")
    options.checkpoints(command)
    options.champion(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """From a data version to a staged artifact, alone or as one of a group."""
    from recommender_training.distributed.group import ONE_PROCESS
    from recommender_training.pipeline import training  # torch takes seconds to import

    config, champion = parse_config(arguments.config), _champion(arguments)
    group = getattr(arguments, "group", ONE_PROCESS)
    if not group.first:
        return _fit_along(arguments, group)
    result = training.train(
        arguments.lake,
        arguments.data_version,
        config,
        arguments.output,
        window_days=arguments.window_days,
        threads=arguments.threads,
        champion=champion,
        checkpoints=arguments.checkpoints or arguments.output.with_name(".checkpoints"),
        own_checkpoints=arguments.checkpoints is not None,
        group=group,
        data_checks=lake_files.read_findings(
            arguments.lake, arguments.data_version, arguments.window_days
        ),
    )
    lineage = manifest.verify(result.staged, result.digest)
    _note(arguments)
    warm = result.report.get("warmStart", {}).get("message")
    said = [summary(result.metrics), warm, _timed(result.variant_times)]
    fields: dict[str, object] = {
        "dataVersion": arguments.data_version,
        "seed": config.seed,
        **_fields(result, lineage),
    }
    return "; ".join(filter(None, said)), fields


def _champion(arguments: argparse.Namespace) -> Comparison | None:
    """The version to compare with, if one is named."""
    from recommender_training.pipeline.champion import Comparison

    artifact, digest = arguments.champion_artifact, arguments.champion_digest
    if (artifact is None) != (digest is None):
        raise InputError(
            "InvalidChampion",
            "--champion-artifact and --champion-digest belong together: give both or neither",
        )
    return Comparison(artifact, digest) if artifact is not None else None


def _fit_along(arguments: argparse.Namespace, group: Group) -> Outcome:
    from recommender_training.pipeline import worker

    worker.fit_along(
        arguments.lake,
        arguments.data_version,
        group,
        window_days=arguments.window_days,
        threads=arguments.threads,
    )
    return f"process {group.rank} has done its part", {}


def _note(arguments: argparse.Namespace) -> None:
    """Leave a note for later checks of the data."""
    try:
        lake_files.write_trained(arguments.lake, arguments.data_version)
    except OSError as error:  # what was trained is good, and worth more than the note
        say(f"train: {arguments.lake} cannot be written to ({error}): a later check will not know")


def _fields(result: TrainResult, lineage: Mapping[str, Any]) -> dict[str, object]:
    """What the report says of the artifact."""
    return {
        "rows": result.rows,
        "codeVersion": lineage["codeVersion"],
        "metrics": termination_report.for_operator(result.metrics),
        "worstSegment": result.report["worstSegment"],
        "fault": lineage["fault"],
        **searched(result.report),
        "stagedPath": str(result.staged),
        "digest": result.digest,
        **({} if result.champion is None else {"champion": result.champion}),
    }


def _timed(times: Mapping[str, Mapping[str, float]] | None) -> str | None:
    """What the variants were judged by that is in no artifact, where there were any."""
    if times is None:
        return None
    told = [f"{name} {each['p50Milliseconds']} ms" for name, each in times.items()]
    return f"median request: {', '.join(told)}"
