"""The console script `kubectl-recommender`, which kubectl runs as `kubectl recommender`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from recommender_kubectl import acting, arguments, opening, reading, watching
from recommender_kubectl.cluster import ClusterError, opened
from recommender_kubectl.console import Console
from recommender_kubectl.requests import RefusedError
from recommender_kubectl.views.why import NoVersionError

_READERS = {
    "status": reading.show_status,
    "why": reading.explain,
    "experiment": reading.show_experiment,
    "history": reading.show_history,
    "diff": reading.compare,
    "watch": watching.watch,
    "open": opening.open_page,
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
            return _READERS.get(given.verb, acting.act)(cluster, console, given)
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
