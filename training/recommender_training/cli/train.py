"""`train`: train on a data version and stage the artifact."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recommender_contract.job_reports import ChampionReport, TrainFields
from recommender_training.artifact import manifest
from recommender_training.cli import options, termination_report
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome, summary
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
    options.add_report(command)
    command.add_argument(
        "--output", type=Path, required=True, help="folder to stage the artifact in"
    )
    options.checkpoints(command)
    options.add_champion(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """Train and stage the artifact, as a single process or as one of a group."""
    from recommender_training.distributed.group import ONE_PROCESS
    from recommender_training.pipeline import training  # torch takes seconds to import

    config, champion = parse_config(arguments.config), _champion(arguments)
    group = getattr(arguments, "group", ONE_PROCESS)
    if not group.first:
        return _fit_along(arguments, group)
    requested = training.TrainingRun(
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
    result = training.train(requested)
    lineage = manifest.verify_artifact(result.staged, result.digest)
    _record_training(arguments)
    warm = result.report.get("warmStart", {}).get("message")
    lists = lists_of(result.report["retrieval"])
    parts = [summary(result.metrics), lists, warm, _latencies(result.variant_times)]
    fields = _fields(result, lineage, arguments.data_version, config.seed)
    return "; ".join(filter(None, parts)), fields.fields()


def _champion(arguments: argparse.Namespace) -> Comparison | None:
    """Return the champion to compare with, if one is given, beside the version before it."""
    from recommender_training.pipeline.champion import Comparison
    from recommender_training.pipeline.previous_version import Previous

    champion, previous = (_artifact(arguments, name) for name in ("champion", "previous"))
    if champion is None:
        if previous is not None:
            raise InputError(
                "InvalidChampion", "--previous-artifact needs --champion-artifact: give both"
            )
        return None
    return Comparison(*champion, None if previous is None else Previous(*previous))


def _artifact(arguments: argparse.Namespace, name: str) -> tuple[Path, str] | None:
    """Return folder and digest of a version to compare with, if one is given."""
    artifact, digest = (getattr(arguments, f"{name}_{part}") for part in ("artifact", "digest"))
    if (artifact is None) != (digest is None):
        raise InputError(
            "InvalidChampion",
            f"--{name}-artifact and --{name}-digest go together: give both or neither",
        )
    return None if artifact is None else (artifact, digest)


def _fit_along(arguments: argparse.Namespace, group: Group) -> Outcome:
    from recommender_training.pipeline import training

    training.fit_as_worker(
        arguments.lake,
        arguments.data_version,
        group,
        window_days=arguments.window_days,
        threads=arguments.threads,
    )
    return f"process {group.rank} is done", {}


def _record_training(arguments: argparse.Namespace) -> None:
    """Record the data version in the lake, for later data checks."""
    try:
        lake_files.write_trained(arguments.lake, arguments.data_version)
    except OSError as error:  # the artifact is complete; the record is optional
        say(
            f"train: {arguments.lake} is not writable ({error}): later data checks will not "
            "compare with this training"
        )


def _fields(
    result: TrainResult, lineage: Mapping[str, Any], data_version: str, seed: int
) -> TrainFields:
    """Return the fields of the report."""
    more: dict[str, Any] = {}
    if "search" in result.report:
        from recommender_training.search import results

        more["search"] = results.compact(result.report["search"])
    if result.champion is not None:
        more["champion"] = ChampionReport.model_validate(result.champion, extra="forbid")
    return TrainFields(
        data_version=data_version,
        seed=seed,
        rows=result.rows,
        code_version=lineage["codeVersion"],
        metrics=dict(termination_report.for_operator(result.metrics)),
        worst_segment=result.report["worstSegment"],
        fault=lineage["fault"],
        staged_path=str(result.staged),
        digest=result.digest,
        **more,
    )


def lists_of(retrieval: Mapping[str, Any]) -> str:
    """Return the sources of lists, from the section `retrieval` of the report, as text."""
    candidates, weights = retrieval["candidates"], retrieval.get("itemWeights")
    text = "every item" if candidates == "All" else f"{candidates} candidates"
    new = retrieval.get("newItemCandidates")
    if new is not None:
        text += f" ({candidates - new} by score, {new} new)"
    found = retrieval.get("candidateRecall")
    index = "" if found is None else f", found by an index with recall {found}"
    made = f"lists of {text}{index}" + (f", {weights.lower()} item weights" if weights else "")
    refused = retrieval.get("indexRefused")
    return made if refused is None else f"{made}, no index of items: {refused}"


def _latencies(times: Mapping[str, Mapping[str, float]] | None) -> str | None:
    """Return the median latencies of the variants as text, if there are variants."""
    if times is None:
        return None
    texts = [f"{name} {each['p50Milliseconds']} ms" for name, each in times.items()]
    return f"median request: {', '.join(texts)}"
