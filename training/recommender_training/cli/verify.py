"""`verify`: check an artifact against its manifest."""

from __future__ import annotations

import argparse
from pathlib import Path

from recommender_training.artifact import manifest
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome


def add(verbs: Verbs) -> None:
    """Add the command."""
    verify = options.verb(verbs, "verify", "verify every file of an artifact")
    verify.add_argument("artifact", type=Path)
    verify.add_argument("--digest", help="sha256:... that the manifest has to have")
    options.report(verify)


def run(arguments: argparse.Namespace) -> Outcome:
    """Hold an artifact against its manifest."""
    facts = manifest.verify(arguments.artifact, arguments.digest)
    return f"{len(facts['files'])} files are what they were", {"files": len(facts["files"])}
