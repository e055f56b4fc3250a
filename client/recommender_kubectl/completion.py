"""`kubectl_complete-recommender`: kubectl runs it with the words after `kubectl recommender`.

The last word is the one to complete. The answer has one candidate a line, and a last line with
what the shell should do: 4 is ShellCompDirectiveNoFileComp of Cobra, no file names. Without an
answer of the API server there is nothing to complete; an error would disturb the prompt.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from recommender_kubectl import arguments
from recommender_kubectl.cluster import Cluster, ClusterError, opened

_NO_FILES = ":4"
_FLAGS = ("--namespace", "--context", "--kubeconfig")
#: Flags with a value, by what completes it.
_WITH_VALUE = {
    "-n", "--namespace", "--context", "--kubeconfig", "-o", "--output", "--timeout", "--console",
}  # fmt: skip
_OF_VERSIONS = {"--to", "--version"}


def candidates(words: Sequence[str], cluster: Cluster | None) -> list[str]:
    """Return the completions of the last word."""
    *before, current = words or [""]
    places = _positional(before)
    if before and before[-1] in ("-o", "--output"):
        found = ["json", "text"]
    elif before and before[-1] in _OF_VERSIONS:
        found = _versions(cluster, places[1:2])
    elif before and before[-1] in _WITH_VALUE:
        found = []
    elif current.startswith("-"):
        found = _flags(places[:1])
    elif not places:
        found = [*arguments.READERS, *arguments.ACTIONS]
    elif len(places) == 1:
        found = [model.name for model in cluster.models()] if cluster else []
    elif places[0] == "diff" and len(places) < 4:
        found = [name for name in _versions(cluster, places[1:2]) if name not in places]
    elif places[0] == "open" and len(places) == 2:
        found = _versions(cluster, places[1:2])
    else:
        found = []
    return sorted(word for word in found if word.startswith(current))


def main() -> None:
    """Complete the command line of this process."""
    words = sys.argv[1:]
    known, _ = _target_parser().parse_known_args(words[:-1])
    try:
        with opened(arguments.target(known)) as cluster:
            found = candidates(words, cluster)
    except ClusterError:
        found = candidates(words, None)
    sys.stdout.write("\n".join([*found, _NO_FILES]) + "\n")


def _positional(words: Sequence[str]) -> list[str]:
    """Return the words that are neither flags nor their values."""
    found, value = [], False
    for word in words:
        if value:
            value = False
        elif word.startswith("-"):
            value = word in _WITH_VALUE | _OF_VERSIONS
        else:
            found.append(word)
    return found


def _versions(cluster: Cluster | None, model: Sequence[str]) -> list[str]:
    if cluster is None or not model:
        return []
    return [one.name for one in cluster.versions(arguments.model_name(model[0]))]


def _flags(verb: Sequence[str]) -> list[str]:
    own = arguments.flags_of(verb[0]) if verb else []
    return [*own, *(flag for flag in _FLAGS if flag not in own)]


def _target_parser() -> argparse.ArgumentParser:
    return arguments.shared_flags()
