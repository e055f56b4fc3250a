"""`search`: search hyperparameters on the data before the test window."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from recommender_contract.resource.search import SearchSpec
from recommender_training.cli import options
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome
from recommender_training.config.training import check_search, parse_config

_SEARCH = """the section `search` of --config, with its defaults:
  sampler      TPE, or Random, or Grid
  trials       20; configurations to try, the given one first (except in a grid)
  seconds      no limit; start no trial after this many seconds
  parallelism  1; processes, each with the memory of a training
  folds        3; rolling-origin folds before the test window (1 to 5)
  seeds        3; refits of the chosen configuration, to report the spread
  pruning      true; stop a trial that is worse than the median at the same step
  space        {"NAME": {"min": .., "max": .., "log": true | false}, "NAME": {"choices": [..]},
               "NAME": {}}, where NAME is a hyperparameter and {} its default range; "points"
               (3) sets the number of values of a range in a grid

stdout ends with the --config to train with. The test window is not read. `train` with a section
`search` searches, trains the chosen configuration, and reads the test window once.

examples:
  recommender-training search --lake lake/demo --data-version VERSION --work search/demo
  recommender-training search --lake lake/demo --data-version VERSION --work search/demo \\
      --config '{"hyperparameters": {"epochs": 10}, "search": {"sampler": "Grid", "trials": 100,
          "space": {"dropout": {"choices": [0.1, 0.2, 0.3]}, "learningRate": {"points": 5}}}}'

exit codes: 0 success; 2 invalid input, do not retry; 1 may be retried."""


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs,
        "search",
        "search hyperparameters on the data before the test window and print the best trials; "
        "repeat the command to resume an interrupted search, or to add trials",
    )
    options.data_version(command)
    command.add_argument(
        "--work", type=Path, required=True, help="folder that keeps the trials between calls"
    )
    options.model_config(command)
    options.add_report(command)
    command.epilog = _SEARCH
    command.formatter_class = argparse.RawDescriptionHelpFormatter


def run(arguments: argparse.Namespace) -> Outcome:
    """Search hyperparameters, and print the configuration to train with."""
    from recommender_training.pipeline import hyperparameter_search
    from recommender_training.search import results

    config = parse_config(arguments.config)
    if config.search is None:
        config = config.model_copy(update={"search": SearchSpec()})
        check_search(config)
    found = hyperparameter_search.run_search(
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
    short = results.compact(found).model_dump(mode="json", exclude_unset=True)
    return message, {"window": "validation", "search": short}
