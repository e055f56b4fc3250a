"""`run`: check, train and publish on one machine."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from recommender_training.artifact import manifest, store
from recommender_training.cli import check, options, train
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome, print_table


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs, "run", "check, train and publish on local folders; print the metrics"
    )
    options.raw_data(command)
    options.check_limits(command)
    options.model_config(command)
    command.add_argument(
        "--work", type=Path, required=True, help="folder for lake, staging, store"
    )
    command.add_argument("--name", default="local", help="name of the model (default: local)")
    options.checkpoints(command)
    options.add_champion(command)
    options.add_report(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """Check, train and publish below one folder."""
    work, name = arguments.work, arguments.name
    lake = work / "lake" / name
    _, checked = check.check_source(arguments, lake)
    arguments.lake, arguments.data_version = lake, str(checked["dataVersion"])
    arguments.output = work / "staging" / name / "run"
    message, trained = train.run(arguments)
    digest = str(trained["digest"])
    path = store.publish(arguments.output, digest, work / "artifacts" / name)
    shutil.rmtree(arguments.output)
    print_table(manifest.verify_artifact(work / path, digest)["metrics"])
    fields = {key: value for key, value in trained.items() if key != "stagedPath"}
    return f"{message}; artifact at {work / path}", {**fields, "path": path}
