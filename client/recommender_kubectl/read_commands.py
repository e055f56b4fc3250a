"""The verbs that read: status, why, history and diff."""

from __future__ import annotations

import argparse
import datetime

from recommender_kubectl.cluster import Cluster
from recommender_kubectl.console import Console
from recommender_kubectl.views import diff, experiment, history, status, why


def show_status(cluster: Cluster, console: Console, given: argparse.Namespace) -> int:
    """Show one model, or a table of all."""
    now = _now()
    if given.model is not None:
        one = status.of_model(cluster.model(given.model), cluster.versions(given.model), now)
        console.show(one, status.render(one, console.style, now))
        return 0
    everywhere = given.all_namespaces
    versions = cluster.versions_of_all(everywhere=everywhere)
    seen = [
        status.of_model(model, versions.get((model.namespace, model.name), []), now)
        for model in cluster.models(everywhere=everywhere)
    ]
    if not seen:
        where = "any namespace" if everywhere else f"namespace {cluster.namespace}"
        console.show(seen, [f"no models in {where}"])
        return 0
    console.show(seen, status.render_all(seen, console.style, namespaces=everywhere))
    return 0


def explain(cluster: Cluster, console: Console, given: argparse.Namespace) -> int:
    """Show the numbers of a decision."""
    model, now = cluster.model(given.model), _now()
    seen = why.of_version(model, cluster.versions(given.model), given.version)
    console.show(seen, why.render(seen, console.style, now, all_steps=given.all_steps))
    return 0


def show_experiment(cluster: Cluster, console: Console, given: argparse.Namespace) -> int:
    """Show what users did."""
    model = cluster.model(given.model)
    seen = experiment.of_version(model, cluster.versions(given.model), given.version)
    console.show(seen, experiment.render(seen, console.style, _now()))
    return 0


def show_history(cluster: Cluster, console: Console, given: argparse.Namespace) -> int:
    """Show the versions of a model."""
    entries = history.of_model(cluster.model(given.model), cluster.versions(given.model))
    console.show(entries, history.render(entries, console.style, _now()))
    return 0


def compare(cluster: Cluster, console: Console, given: argparse.Namespace) -> int:
    """Show what differs between two versions."""
    model = cluster.model(given.model)
    named = {version.name: version for version in cluster.versions(model.name)}
    for name in (given.first, given.second):
        if name not in named:
            known = ", ".join(sorted(named)) or "none"
            raise why.NoVersionError(f"{model.name} has no version {name!r}; versions: {known}")
    found = diff.of_versions(named[given.first], named[given.second])
    console.show(found, diff.render((given.first, given.second), found, console.style))
    return 0


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
