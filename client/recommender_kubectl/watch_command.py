"""`watch`: follow the candidate of a model to its end."""

from __future__ import annotations

import argparse
import datetime
import time
from collections.abc import Sequence

from recommender_kubectl import rollout_poll
from recommender_kubectl.cluster import Cluster, ClusterError
from recommender_kubectl.console import Console
from recommender_kubectl.rollout_poll import Poll

#: Seconds between two polls.
_PAUSE = 2.0


def watch(cluster: Cluster, console: Console, given: argparse.Namespace) -> int:
    """Print each change, and the progress in the last line of a terminal.

    Raises:
        ClusterError: the time is up.
    """
    began = time.monotonic()
    end = began + given.timeout if given.timeout is not None else None
    followed: str | None = None
    asked: tuple[str, str] | None = None
    shown: Sequence[object] = ()
    while True:
        now = datetime.datetime.now(datetime.UTC)
        model, versions = cluster.model(given.model), cluster.versions(given.model)
        waited = time.monotonic() - began
        seen = rollout_poll.poll(model, versions, followed, now, waited=waited, asked=asked)
        followed, asked = seen.followed, seen.asked
        if seen.milestone != shown or seen.end is not None:
            shown = seen.milestone
            _print(console, seen)
        elif console.terminal and not console.as_json:
            console.replace(seen.line)
        if seen.end is not None:
            return seen.end
        if end is not None and time.monotonic() >= end:
            _finish_line(console)
            raise ClusterError(f"{model.name} has no decision within {given.timeout:.0f} s")
        time.sleep(_PAUSE)


def _print(console: Console, seen: Poll) -> None:
    _finish_line(console)
    console.show(seen, [seen.line])


def _finish_line(console: Console) -> None:
    if console.terminal and not console.as_json:
        console.replace("")
