"""`export`: copy the Triton repository of an artifact."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from recommender_training.artifact import manifest
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.common.errors import InputError


def add(verbs: Verbs) -> None:
    """Add the command."""
    export = options.verb(
        verbs, "export", "verify an artifact and copy its Triton model repository"
    )
    export.add_argument("artifact", type=Path)
    export.add_argument("--digest", help="expected digest of the manifest, sha256:...")
    export.add_argument("--output", type=Path, required=True, help="folder to create")
    options.add_report(export)


def run(arguments: argparse.Namespace) -> Outcome:
    """Copy the Triton repository of an artifact."""
    manifest.verify_artifact(arguments.artifact, arguments.digest)
    if arguments.output.exists():
        raise InputError("OutputExists", f"{arguments.output} exists already; name another folder")
    shutil.copytree(arguments.artifact / "repository", arguments.output)
    return f"Triton model repository at {arguments.output}", {"path": str(arguments.output)}
