"""The parser of the command line, and the entry point."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable

from recommender_training.cli import dispatch
from recommender_training.cli.options import Parser

_EXAMPLES = """examples:
  recommender-examples fetch-movielens ml-100k
  recommender-training run --source ml-100k --format MovieLens100K --work build/run
  recommender-training report build/run
  recommender-training check --source ml-100k --format MovieLens100K --lake lake/demo \\
      --min-rows 1000
  recommender-training init export --output mapping.json
  recommender-training check --source export --format CSV --lake lake/shop --mapping '{
      "interactions": {"files": "events/*.csv", "user": "customer", "item": "sku",
        "timestamp": "at", "timestampUnit": "ISO8601", "eventType": "event",
        "eventTypes": [{"type": "view", "value": 2}, {"type": "purchase", "value": 5}]},
      "items": {"files": "items.csv", "id": "sku", "title": "name", "features": [
        {"name": "tag", "kind": "MultiCategorical", "column": "tags", "separator": "|"}]}}'
  recommender-training check --source export --format Parquet --lake lake/shop \\
      --mapping @mapping.json
  recommender-training snapshot --source export --format Parquet --lake lake/shop \\
      --mapping @mapping.json --keep-snapshots 30 --artifacts store/artifacts/shop
  recommender-training snapshots --lake lake/shop
  recommender-training check --lake lake/shop --as-of 2026-11-25T00:00:00Z
  recommender-training train --lake lake/demo --data-version VERSION --config '{"seed": 17}' \\
      --output staging/demo-1
  torchrun --nproc-per-node 2 --max-restarts 3 --no-python recommender-training train \\
      --lake lake/demo --data-version VERSION --output staging/demo-1
  recommender-training search --lake lake/demo --data-version VERSION --work search/demo \\
      --config '{"search": {"trials": 30, "parallelism": 2, "space": {
          "learningRate": {"min": 0.0005, "max": 0.02, "log": true},
          "embeddingDim": {"choices": [16, 32, 64]}, "dropout": {}}}}'
  recommender-training publish --staged staging/demo-1 --digest sha256:... \\
      --store store/artifacts/demo
  recommender-training recommend --artifact store/artifacts/demo/DIGEST16 --requests FILE

exit codes: 0 success; 2 invalid input, do not retry; 1 may be retried.
Progress goes to stderr. --report FILE receives one JSON object of at most 4096 bytes."""


def parser(commands: Iterable[str] = dispatch.COMMANDS) -> argparse.ArgumentParser:
    """Return the parser of `recommender-training`, with these commands."""
    top = argparse.ArgumentParser(
        prog="recommender-training",
        description="Ingest, check, train, evaluate, export and publish recommenders.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND", parser_class=Parser)
    for name in commands:
        dispatch.command(name).add(verbs)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    # Only the command that runs is imported; help and a misspelt name need them all.
    named = words[:1] if words and words[0] in dispatch.COMMANDS else dispatch.COMMANDS
    return dispatch.dispatch(parser(named).parse_args(words))
