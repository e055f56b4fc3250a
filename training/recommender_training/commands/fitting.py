"""Commands that fit models: `train`, `evaluate` and `search`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from recommender_training import reports
from recommender_training.artifact import manifest
from recommender_training.commands.outcome import Outcome, print_table, searched, summary
from recommender_training.config import check_search, parse_config
from recommender_training.data_checks import files
from recommender_training.errors import InputError
from recommender_training.progress import say
from recommender_training.search.settings import SearchSettings

if TYPE_CHECKING:
    from recommender_training.champion import Comparison
    from recommender_training.distributed.group import Group
    from recommender_training.pipeline import TrainResult


def train(arguments: argparse.Namespace) -> Outcome:
    """From a data version to a staged artifact, alone or as one of a group."""
    from recommender_training import pipeline  # torch takes seconds to import
    from recommender_training.distributed.group import ALONE

    config, champion = parse_config(arguments.config), _champion(arguments)
    group = getattr(arguments, "group", ALONE)
    if not group.first:
        return _follow(arguments, group)
    result = pipeline.train(
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
        data_checks=files.read_findings(
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
    from recommender_training.champion import Comparison

    artifact, digest = arguments.champion_artifact, arguments.champion_digest
    if (artifact is None) != (digest is None):
        raise InputError(
            "InvalidChampion",
            "--champion-artifact and --champion-digest belong together: give both or neither",
        )
    return Comparison(artifact, digest) if artifact is not None else None


def _follow(arguments: argparse.Namespace, group: Group) -> Outcome:
    from recommender_training.distributed import follow

    follow.follow(
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
        files.write_trained(arguments.lake, arguments.data_version)
    except OSError as error:  # what was trained is good, and worth more than the note
        say(f"train: {arguments.lake} cannot be written to ({error}): a later check will not know")


def _fields(result: TrainResult, lineage: Mapping[str, Any]) -> dict[str, object]:
    """What the report says of the artifact."""
    return {
        "rows": result.rows,
        "codeVersion": lineage["codeVersion"],
        "metrics": reports.for_operator(result.metrics),
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


def evaluate(arguments: argparse.Namespace) -> Outcome:
    """Fit and judge on the validation window; nothing is written."""
    from recommender_training import pipeline

    config = parse_config(arguments.config)
    metrics = pipeline.validate(
        arguments.lake,
        arguments.data_version,
        config,
        window_days=arguments.window_days,
        threads=arguments.threads,
    )
    print_table(metrics)
    return summary(metrics), {"window": "validation", "metrics": reports.for_operator(metrics)}


def search(arguments: argparse.Namespace) -> Outcome:
    """Search for hyperparameters, and print what to train with."""
    from recommender_training.search import results, run

    config = parse_config(arguments.config)
    if config.search is None:
        config = config.model_copy(update={"search": SearchSettings()})
        check_search(config)
    found = run.search(
        arguments.lake,
        arguments.data_version,
        config,
        arguments.work,
        window_days=arguments.window_days,
        threads=arguments.threads,
    )
    for line in results.lines(found):
        sys.stdout.write(f"{line}\n")
    chosen = json.loads(arguments.config)
    chosen.pop("search", None)
    chosen["hyperparameters"] = {**chosen.get("hyperparameters", {}), **found["hyperparameters"]}
    sys.stdout.write(json.dumps(chosen, sort_keys=True) + "\n")
    sys.stdout.flush()
    message = (
        f"trial {found['best']} of {len(found['trials'])} is best: log loss "
        f"{found['bestLogLoss']:.4f} on {len(found['folds'])} folds"
    )
    return message, {"window": "validation", **searched({"search": found})}
