"""Commands on artifacts that are there."""

from __future__ import annotations

import argparse
import shutil
import sys

from recommender_training.artifact import manifest, store
from recommender_training.commands.outcome import Outcome
from recommender_training.errors import InputError
from recommender_training.page import files as page


def publish(arguments: argparse.Namespace) -> Outcome:
    """Copy a staged artifact into the store."""
    path = store.publish(arguments.staged, arguments.digest, arguments.store)
    return f"published {path}", {"path": path, "digest": arguments.digest}


def remove(arguments: argparse.Namespace) -> Outcome:
    """Remove files and folders below a root."""
    removed = store.remove(arguments.root, arguments.paths)
    return f"removed {len(removed)} of {len(arguments.paths)} paths", {"removed": removed}


def verify(arguments: argparse.Namespace) -> Outcome:
    """Hold an artifact against its manifest."""
    facts = manifest.verify(arguments.artifact, arguments.digest)
    return f"{len(facts['files'])} files are what they were", {"files": len(facts["files"])}


def export(arguments: argparse.Namespace) -> Outcome:
    """Copy the Triton repository of an artifact."""
    manifest.verify(arguments.artifact, arguments.digest)
    if arguments.output.exists():
        raise InputError("OutputExists", f"{arguments.output} is there already; name another")
    shutil.copytree(arguments.artifact / "repository", arguments.output)
    return f"Triton model repository at {arguments.output}", {"path": str(arguments.output)}


def report(arguments: argparse.Namespace) -> Outcome:
    """Say where the page of an artifact is, or make it anew."""
    path = page.provide(arguments.folder, arguments.output)
    sys.stdout.write(f"{path}\n")
    sys.stdout.flush()
    return f"the report is at {path}", {"path": str(path)}


def measure(arguments: argparse.Namespace) -> Outcome:
    """Time single requests to the graphs of an artifact."""
    from recommender_training.export import latency

    manifest.verify(arguments.artifact)
    facts = latency.measure(arguments.artifact, arguments.calls, arguments.threads)
    parts = [
        f"{name} p50 {times['p50Milliseconds']} ms, p99 {times['p99Milliseconds']} ms"
        for name, times in facts.items()
    ]
    return "; ".join(parts), dict(facts)
