"""The console script `kubectl-recommender`, which kubectl runs as `kubectl recommender`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from recommender_kubectl import (
    arguments,
    open_command,
    read_commands,
    request_commands,
    watch_command,
)
from recommender_kubectl.cluster import ClusterError, opened
from recommender_kubectl.console import Console
from recommender_kubectl.requests import RefusedError
from recommender_kubectl.views.why import NoVersionError

_READERS = {
    "status": read_commands.show_status,
    "why": read_commands.explain,
    "experiment": read_commands.show_experiment,
    "history": read_commands.show_history,
    "diff": read_commands.compare,
    "watch": watch_command.watch,
    "open": open_command.open_page,
}


def run(words: Sequence[str]) -> int:
    """Carry out a command line; return its exit code (0 done, 1 no, 2 no answer)."""
    parser = arguments.parser()
    given = parser.parse_args(words)
    if given.verb == "status" and given.model and given.all_namespaces:
        parser.error("-A shows the models of all namespaces: leave the name out")
    console = Console(as_json=getattr(given, "output", "text") == "json")
    try:
        with opened(arguments.target(given)) as cluster:
            return _READERS.get(given.verb, request_commands.act)(cluster, console, given)
    except (RefusedError, NoVersionError) as error:
        console.complain(str(error))
        return 1
    except ClusterError as error:
        console.complain(str(error))
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        console.abandon()
        return 141


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
