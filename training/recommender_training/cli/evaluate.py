"""`evaluate`: print the metrics of the validation window."""

from __future__ import annotations

import argparse

from recommender_training.cli import options, termination_report
from recommender_training.cli.options import Verbs
from recommender_training.cli.outcome import Outcome, print_table, summary
from recommender_training.config.training import parse_config


def add(verbs: Verbs) -> None:
    """Add the command."""
    command = options.verb(
        verbs,
        "evaluate",
        "fit on the training window and print the metrics of the validation window; do not read "
        "the test window",
    )
    options.data_version(command)
    options.model_config(command)
    options.add_report(command)


def run(arguments: argparse.Namespace) -> Outcome:
    """Fit, and evaluate on the validation window; write no artifact."""
    from recommender_training.pipeline import training

    config = parse_config(arguments.config)
    metrics = training.validate(
        arguments.lake,
        arguments.data_version,
        config,
        window_days=arguments.window_days,
        threads=arguments.threads,
    )
    print_table(metrics)
    return summary(metrics), {
        "window": "validation",
        "metrics": termination_report.for_operator(metrics),
    }
