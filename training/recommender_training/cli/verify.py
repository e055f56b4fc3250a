"""`verify`: verify an artifact against its manifest."""

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
    verify.add_argument("--digest", help="expected digest of the manifest, sha256:...")
    options.add_report(verify)


def run(arguments: argparse.Namespace) -> Outcome:
    """Verify an artifact against its manifest."""
    files = manifest.verify_artifact(arguments.artifact, arguments.digest)["files"]
    return f"{len(files)} files match the manifest", {"files": len(files)}
