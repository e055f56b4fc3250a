"""What each command does, and how its outcome becomes a report and an exit code."""

from __future__ import annotations

import argparse
import functools
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from recommender_training import demo, movielens, reports, synthetic
from recommender_training.artifact import manifest, store
from recommender_training.artifact.staging import DiskFullError
from recommender_training.config import check_search, parse_config
from recommender_training.data import compaction, ingest
from recommender_training.data.mapping import Format, parse_mapping
from recommender_training.data_checks import files
from recommender_training.data_checks import run as data_checks
from recommender_training.data_checks.policy import parse_checks
from recommender_training.distributed import place
from recommender_training.errors import InputError
from recommender_training.page import files as page
from recommender_training.progress import say
from recommender_training.search.settings import SearchSettings

DONE, MAY_BE_REPEATED, INPUT_AT_FAULT = 0, 1, 2

#: A message, and the fields of the report.
Outcome = tuple[str, dict[str, object]]


def dispatch(arguments: argparse.Namespace) -> int:
    """Run the command of these arguments, write its report, return the exit code."""
    try:
        where = place.find(os.environ)
        if where is not None and arguments.verb != "train":
            raise InputError(
                "InvalidEnvironment",
                f"{arguments.verb} is the work of one process, and WORLD_SIZE={where.size}: start "
                "it without torchrun",
            )
    except InputError as error:
        code, report = _refused(arguments.verb, error)
        _tell(arguments, report)
        return code
    if where is not None:
        return _together(arguments, where)
    code, report = _attempt(arguments)
    _tell(arguments, report)
    return code


def _together(arguments: argparse.Namespace, where: place.Place) -> int:
    from recommender_training.distributed import together

    try:
        return together.run(where, arguments, _attempt, functools.partial(_tell, arguments))
    except Exception as error:  # they never met
        code, report = _broken(arguments.verb, error)
        if where.rank == 0:
            _tell(arguments, report)
        else:
            together.log(where, arguments.verb, report)
        return code


def _tell(arguments: argparse.Namespace, report: dict[str, object]) -> None:
    say(f"{arguments.verb}: {report['reason']}: {report['message']}")
    path: Path | None = getattr(arguments, "report", None)
    if path is not None:
        reports.write(path, report)


def _attempt(arguments: argparse.Namespace) -> tuple[int, dict[str, object]]:
    kind = arguments.verb
    try:
        message, fields = _COMMANDS[kind](arguments)
    except InputError as error:
        return _refused(kind, error)
    except Exception as error:
        # The edge of the process: whatever happened becomes a report; the trace goes to the log.
        return _broken(kind, error)
    return DONE, reports.build(kind, ok=True, reason="Done", message=message, **fields)


def _refused(kind: str, error: InputError) -> tuple[int, dict[str, object]]:
    report = reports.build(
        kind, ok=False, reason=error.reason, message=error.message, **error.details
    )
    return INPUT_AT_FAULT, report


def _broken(kind: str, error: Exception) -> tuple[int, dict[str, object]]:
    traceback.print_exception(error, file=sys.stderr)
    if isinstance(error, DiskFullError):
        return MAY_BE_REPEATED, reports.build(
            kind, ok=False, reason="DiskFull", message=str(error.strerror)
        )
    text = f"{type(error).__name__}: {error}"
    return MAY_BE_REPEATED, reports.build(kind, ok=False, reason="Failed", message=text)


def _check(arguments: argparse.Namespace, lake: Path | None = None) -> Outcome:
    kind, lake = Format(arguments.format), lake or arguments.lake
    checks = parse_checks(arguments.checks)
    result = ingest.check(
        arguments.source,
        lake,
        kind=kind,
        mapping=parse_mapping(arguments.mapping, kind),
        window_days=arguments.window_days,
        min_rows=arguments.min_rows,
        max_quarantined_share=arguments.max_quarantined_share,
    )
    message = (
        f"{result.rows} rows from {result.window_start} to {result.window_end}, "
        f"{result.new_rows} of them new, {result.quarantined_rows} quarantined"
    )
    found = data_checks.run(
        lake,
        result.data_version,
        checks,
        window_days=arguments.window_days,
        against=arguments.against,
        aside=result.aside,
    )
    fields = {**result.fields(), "checks": found.summary()}
    if found.blocked:
        raise InputError("DataChecksFailed", f"{found.words()}; all in {found.path}", **fields)
    return f"{message}; {found.words()}", fields


def _train(arguments: argparse.Namespace) -> Outcome:
    from recommender_training import champion, pipeline  # torch takes seconds to import
    from recommender_training.distributed import follow
    from recommender_training.distributed.group import ALONE

    config = parse_config(arguments.config)
    artifact, wanted = arguments.champion_artifact, arguments.champion_digest
    if (artifact is None) != (wanted is None):
        raise InputError(
            "InvalidChampion",
            "--champion-artifact and --champion-digest belong together: give both or neither",
        )
    group = getattr(arguments, "group", ALONE)
    if not group.first:
        follow.follow(
            arguments.lake,
            arguments.data_version,
            group,
            window_days=arguments.window_days,
            threads=arguments.threads,
        )
        return f"process {group.rank} has done its part", {}
    result = pipeline.train(
        arguments.lake,
        arguments.data_version,
        config,
        arguments.output,
        window_days=arguments.window_days,
        threads=arguments.threads,
        champion=champion.Comparison(artifact, wanted) if artifact is not None else None,
        checkpoints=arguments.checkpoints or arguments.output.with_name(".checkpoints"),
        own_checkpoints=arguments.checkpoints is not None,
        group=group,
        data_checks=files.read_findings(
            arguments.lake, arguments.data_version, arguments.window_days
        ),
    )
    lineage = manifest.verify(result.staged, result.digest)
    try:
        files.write_trained(arguments.lake, arguments.data_version)
    except OSError as error:  # what was trained is good, and worth more than the note
        say(f"train: {arguments.lake} cannot be written to ({error}): a later check will not know")
    fields: dict[str, object] = {
        "dataVersion": arguments.data_version,
        "rows": result.rows,
        "codeVersion": lineage["codeVersion"],
        "seed": config.seed,
        "metrics": reports.for_operator(result.metrics),
        "worstSegment": result.report["worstSegment"],
        "fault": lineage["fault"],
        **_found(result.report),
        "stagedPath": str(result.staged),
        "digest": result.digest,
    }
    if result.champion is not None:
        fields["champion"] = result.champion
    warm = result.report.get("warmStart", {}).get("message")
    said = [summary(result.metrics), warm, _timed(result.variant_times)]
    return "; ".join(filter(None, said)), fields


def _timed(times: Mapping[str, Mapping[str, float]] | None) -> str | None:
    """What the variants were judged by that is in no artifact, where there were any."""
    if times is None:
        return None
    told = [f"{name} {each['p50Milliseconds']} ms" for name, each in times.items()]
    return f"median request: {', '.join(told)}"


def _found(report: Mapping[str, Any]) -> dict[str, object]:
    """What the Job says of its search, where there was one."""
    if "search" not in report:
        return {}
    from recommender_training.search import results

    return {"search": results.compact(report["search"])}


def summary(metrics: dict[str, float]) -> str:
    """The metrics in one line."""
    return (
        f"auc {metrics['auc']:.4f} (baseline {metrics['baselineAuc']:.4f}), "
        f"log loss {metrics['logLoss']:.4f}, calibration error "
        f"{metrics['calibrationError']:.4f}, ndcg@10 {metrics['ndcgAt10']:.4f} "
        f"(popularity {metrics['popularityNdcgAt10']:.4f})"
    )


def _evaluate(arguments: argparse.Namespace) -> Outcome:
    from recommender_training import pipeline

    config = parse_config(arguments.config)
    metrics = pipeline.validate(
        arguments.lake,
        arguments.data_version,
        config,
        window_days=arguments.window_days,
        threads=arguments.threads,
    )
    _print_table(metrics)
    return summary(metrics), {"window": "validation", "metrics": reports.for_operator(metrics)}


def _search(arguments: argparse.Namespace) -> Outcome:
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
    return message, {"window": "validation", **_found({"search": found})}


def _compact(arguments: argparse.Namespace) -> Outcome:
    done = compaction.compact(
        arguments.lake,
        keep=files.referenced(arguments.lake, arguments.artifacts, arguments.keep),
        retention_hours=arguments.retention_hours,
    )
    message = f"{done.partitions} partitions compacted, {done.files_removed} files removed"
    return message, {"partitions": done.partitions, "filesRemoved": done.files_removed}


def _publish(arguments: argparse.Namespace) -> Outcome:
    path = store.publish(arguments.staged, arguments.digest, arguments.store)
    return f"published {path}", {"path": path, "digest": arguments.digest}


def _remove(arguments: argparse.Namespace) -> Outcome:
    removed = store.remove(arguments.root, arguments.paths)
    return f"removed {len(removed)} of {len(arguments.paths)} paths", {"removed": removed}


def _verify(arguments: argparse.Namespace) -> Outcome:
    facts = manifest.verify(arguments.artifact, arguments.digest)
    return f"{len(facts['files'])} files are what they were", {"files": len(facts["files"])}


def _export(arguments: argparse.Namespace) -> Outcome:
    manifest.verify(arguments.artifact, arguments.digest)
    if arguments.output.exists():
        raise InputError("OutputExists", f"{arguments.output} is there already; name another")
    shutil.copytree(arguments.artifact / "repository", arguments.output)
    return f"Triton model repository at {arguments.output}", {"path": str(arguments.output)}


def _report(arguments: argparse.Namespace) -> Outcome:
    path = page.provide(arguments.folder, arguments.output)
    sys.stdout.write(f"{path}\n")
    sys.stdout.flush()
    return f"the report is at {path}", {"path": str(path)}


def _measure(arguments: argparse.Namespace) -> Outcome:
    from recommender_training.export import latency

    manifest.verify(arguments.artifact)
    facts = latency.measure(arguments.artifact, arguments.calls, arguments.threads)
    parts = [
        f"{name} p50 {times['p50Milliseconds']} ms, p99 {times['p99Milliseconds']} ms"
        for name, times in facts.items()
    ]
    return "; ".join(parts), dict(facts)


def _run(arguments: argparse.Namespace) -> Outcome:
    work, name = arguments.work, arguments.name
    lake = work / "lake" / name
    _, checked = _check(arguments, lake)
    arguments.lake, arguments.data_version = lake, str(checked["dataVersion"])
    arguments.output = work / "staging" / name / "run"
    message, trained = _train(arguments)
    digest = str(trained["digest"])
    path = store.publish(arguments.output, digest, work / "artifacts" / name)
    shutil.rmtree(arguments.output)
    _print_table(manifest.verify(work / path, digest)["metrics"])
    fields = {key: value for key, value in trained.items() if key != "stagedPath"}
    return f"{message}; artifact at {work / path}", {**fields, "path": path}


def _print_table(metrics: dict[str, float]) -> None:
    width = max(len(name) for name in metrics)
    for name, value in metrics.items():
        sys.stdout.write(f"{name:<{width}}  {value:.4f}\n")
    sys.stdout.flush()


def _fetch(arguments: argparse.Namespace) -> Outcome:
    movielens.fetch(arguments.destination)
    return f"MovieLens 100K is at {arguments.destination}", {}


def _synthetic(arguments: argparse.Namespace) -> Outcome:
    size = synthetic.Size(arguments.users, arguments.items, arguments.interactions)
    synthetic.generate(arguments.destination, size, arguments.seed)
    return f"{arguments.interactions} interactions at {arguments.destination}", {}


def _demo(arguments: argparse.Namespace) -> Outcome:
    counts = demo.write_demo(
        arguments.movielens, arguments.output, arguments.seed, arguments.sessions
    )
    return f"demo data at {arguments.output}", dict(counts)


_COMMANDS: dict[str, Callable[[argparse.Namespace], Outcome]] = {
    "check": _check,
    "train": _train,
    "evaluate": _evaluate,
    "search": _search,
    "compact": _compact,
    "publish": _publish,
    "remove": _remove,
    "verify": _verify,
    "export": _export,
    "report": _report,
    "measure": _measure,
    "run": _run,
    "fetch-movielens": _fetch,
    "synthetic": _synthetic,
    "demo-data": _demo,
}
