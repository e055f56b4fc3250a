"""Arguments of the commands that fit models."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from recommender_training.arguments import common, data
from recommender_training.arguments.common import Verbs

_SEARCH = """the part `search` of --config, with its defaults:
  sampler      TPE, or Random, or Grid
  trials       20; configurations to try, the given one first (but in a grid)
  seconds      no limit; no trial begins after so many
  parallelism  1; processes, each with the memory of a training
  folds        3; rolling-origin folds before the test window (1 to 5)
  seeds        3; fits of the chosen configuration, whose spread is told
  pruning      true; end a trial that is worse than the median at the same step
  space        {"NAME": {"min": .., "max": .., "log": true | false}, "NAME": {"choices": [..]},
               "NAME": {}}, NAME one of the hyperparameters; {} is the declared range of it;
               "points" (3) are the values of a range in a grid

stdout ends with the --config to train with. The test window is not read: `train` with a part
`search` searches, trains what was chosen, and reads the test window once.

examples:
  recommender-training search --lake lake/demo --data-version VERSION --work search/demo
  recommender-training search --lake lake/demo --data-version VERSION --work search/demo \\
      --config '{"hyperparameters": {"epochs": 10}, "search": {"sampler": "Grid", "trials": 100,
          "space": {"dropout": {"choices": [0.1, 0.2, 0.3]}, "learningRate": {"points": 5}}}}'

exit codes: 0 done; 2 the input is at fault, repeating is no use; 1 may be repeated."""


def add(verbs: Verbs) -> None:
    """Add the commands that fit models."""
    train = common.verb(verbs, "train", "train on a data version and stage the artifact")
    evaluate = common.verb(
        verbs,
        "evaluate",
        "fit on the training window and print the metrics of the validation window; the test "
        "window stays unread",
    )
    for command in (train, evaluate):
        _from_lake(command)
        _fitted(command)
        common.reported(command)
    train.add_argument("--output", type=Path, required=True, help="folder to stage at")
    _kept(train)
    _compared(train)
    search = common.verb(
        verbs,
        "search",
        "search hyperparameters on the time before the test window and print the best trials; "
        "repeat the command to go on with a search that was interrupted, or with more trials",
    )
    _from_lake(search)
    search.add_argument(
        "--work", type=Path, required=True, help="folder that keeps the trials between two calls"
    )
    _fitted(search)
    common.reported(search)
    search.epilog = _SEARCH
    search.formatter_class = argparse.RawDescriptionHelpFormatter
    run = common.verb(verbs, "run", "check, train and publish on local folders; print the metrics")
    data.sourced(run)
    data.judged(run)
    _fitted(run)
    run.add_argument("--work", type=Path, required=True, help="folder for lake, staging, store")
    run.add_argument("--name", default="local", help="name of the model (default: local)")
    _kept(run)
    _compared(run)
    common.reported(run)


def _from_lake(command: argparse.ArgumentParser) -> None:
    common.lake(command)
    command.add_argument("--data-version", required=True, help="from the report of check")
    command.add_argument("--window-days", type=common.positive, metavar="N")


def _fitted(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        default="{}",
        metavar="JSON",
        help="the section `training` of the resource, camelCase (default: {})",
    )
    command.add_argument(
        "--threads",
        type=common.positive,
        default=int(os.environ.get("RECOMMENDER_TRAINING_THREADS", "1")),
        help="threads of PyTorch (default: $RECOMMENDER_TRAINING_THREADS or 1); the same number "
        "gives the same bytes",
    )


def _compared(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--champion-artifact",
        type=Path,
        metavar="FOLDER",
        help="published artifact to compare with on the rows of the test window; only read",
    )
    command.add_argument("--champion-digest", metavar="sha256:...", help="that it has to have")


def _kept(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--checkpoints",
        type=Path,
        metavar="FOLDER",
        help="of this training alone: where the fits are kept until the artifact is staged, so "
        "that the same command goes on after a kill; what another one left there is removed "
        "(default: .checkpoints beside the output, which trainings share)",
    )
