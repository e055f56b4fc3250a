"""`run`: from raw data to a published artifact, on one machine."""

from __future__ import annotations

import argparse
import shutil

from recommender_training.artifact import manifest, store
from recommender_training.commands import data, fitting
from recommender_training.commands.outcome import Outcome, print_table


def run(arguments: argparse.Namespace) -> Outcome:
    """Check, train and publish below one folder."""
    work, name = arguments.work, arguments.name
    lake = work / "lake" / name
    _, checked = data.check_source(arguments, lake)
    arguments.lake, arguments.data_version = lake, str(checked["dataVersion"])
    arguments.output = work / "staging" / name / "run"
    message, trained = fitting.train(arguments)
    digest = str(trained["digest"])
    path = store.publish(arguments.output, digest, work / "artifacts" / name)
    shutil.rmtree(arguments.output)
    print_table(manifest.verify(work / path, digest)["metrics"])
    fields = {key: value for key, value in trained.items() if key != "stagedPath"}
    return f"{message}; artifact at {work / path}", {**fields, "path": path}
