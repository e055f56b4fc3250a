"""`publish`: copy a staged artifact into the store."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_contract.job_reports import PublishFields
from recommender_training.artifact import store
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome


def add(verbs: Verbs) -> None:
    """Add the command."""
    publish = options.verb(
        verbs, "publish", "verify a staged artifact and publish it with one rename"
    )
    publish.add_argument("--staged", type=Path, required=True)
    publish.add_argument("--digest", required=True, help="sha256:... from the report of train")
    publish.add_argument("--store", type=Path, required=True, help="<claim>/artifacts/<model>")
    options.add_report(publish)


def run(arguments: argparse.Namespace) -> Outcome:
    """Copy a staged artifact into the store."""
    path = store.publish(arguments.staged, arguments.digest, arguments.store)
    return f"published {path}", PublishFields(path=path, digest=arguments.digest).fields()
