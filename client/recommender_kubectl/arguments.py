"""The command line: verbs and flags, as kubectl has them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence

from recommender_kubectl.cluster import Target

PROGRAM = "kubectl recommender"
_EXAMPLES = """\
examples:
  kubectl recommender status -A              all models
  kubectl recommender status movies          one model, with its conditions
  kubectl recommender why movies             the numbers of the current or last decision
  kubectl recommender experiment movies      what users did so far
  kubectl recommender watch movies --timeout 1h && echo promoted
  kubectl recommender promote movies --wait
  kubectl recommender rollback movies --to movies-1a2b3c4d

exit codes:
  0  done; with watch and --wait also: it ended well
  1  no: refused, rolled back, rejected or failed
  2  no answer: wrong arguments, missing rights, no API server, or the time is up
"""
#: The verbs that change something, with their help and an example's arguments.
ACTIONS = {
    "promote": ("skip the remaining steps of the candidate", "movies --wait"),
    "pause": ("stop progress; a failing candidate is still rolled back", "movies"),
    "resume": ("end a pause", "movies"),
    "abort": ("roll the candidate back", "movies --wait"),
    "rollback": ("go back to the previous or a named version", "movies --to movies-1a2b3c4d"),
    "retrain": ("train the current spec again, on the data as it is now", "movies --wait"),
    "unlock": ("release the lock, and try the version of the spec again", "movies"),
}
READERS = {
    "status": ("where a model is, or a table of all", "movies"),
    "why": ("the numbers of the current or last decision, and what follows", "movies"),
    "history": ("the versions of a model, the newest first", "movies -o json"),
    "experiment": ("what users did with candidate and champion", "movies -o json"),
    "watch": ("follow the candidate to its end", "movies --timeout 1h"),
    "diff": ("what differs between two versions", "movies movies-1a2b3c4d movies-5e6f7a8b"),
    "open": ("open the page of a model or of a version in the console", "movies --report"),
}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    shared = shared_flags()
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Follow a RecommenderModel, understand its decisions, and act on it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[shared],
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="VERB")

    def verb(
        name: str, told: tuple[str, str], aliases: Sequence[str] = ()
    ) -> argparse.ArgumentParser:
        return verbs.add_parser(
            name,
            help=told[0],
            description=f"{told[0].capitalize()}.",
            epilog=f"example:\n  {PROGRAM} {name} {told[1]}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            parents=[shared],
            aliases=list(aliases),
        )

    _add_readers(verb)
    for name, told in ACTIONS.items():
        _add_action(verb(name, told, ["retry"] if name == "unlock" else []), name)
    return top


def flags_of(verb: str) -> list[str]:
    """Return the long flags of a verb; empty if there is no such verb."""
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction) and verb in action.choices:
            found = action.choices[verb]._option_string_actions
            return sorted(flag for flag in found if flag.startswith("--"))
    return []


def target(given: argparse.Namespace) -> Target:
    """Return where the command looks."""
    return Target(
        kubeconfig=getattr(given, "kubeconfig", None),
        context=getattr(given, "context", None),
        namespace=getattr(given, "namespace", None),
    )


def shared_flags() -> argparse.ArgumentParser:
    """Flags that stand before or after the verb. They have no default: the later would win."""
    shared = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    shared.add_argument("-n", "--namespace", help="namespace; default: that of the context")
    shared.add_argument("--context", help="context of the kubeconfig")
    shared.add_argument("--kubeconfig", help="path of the kubeconfig; default: $KUBECONFIG")
    return shared


def _add_readers(verb: Callable[[str, tuple[str, str]], argparse.ArgumentParser]) -> None:
    made = {name: verb(name, told) for name, told in READERS.items()}
    for name, one in made.items():
        optional = {"nargs": "?"} if name == "status" else {}
        one.add_argument("model", type=model_name, help="name of the model", **optional)  # type: ignore[arg-type]
        one.add_argument("-o", "--output", choices=["text", "json"], default="text")
    made["status"].add_argument(
        "-A", "--all-namespaces", action="store_true", help="models of all namespaces"
    )
    made["why"].add_argument("--version", help="default: the candidate, or the last decision")
    made["experiment"].add_argument("--version", help="default: the last one with an experiment")
    made["why"].add_argument("--all-steps", action="store_true", help="not only the last step")
    made["watch"].add_argument(
        "--timeout", type=seconds, default=None, help="such as 90s, 30m or 2h; default: none"
    )
    _add_open_flags(made["open"])
    for which in ("first", "second"):
        made["diff"].add_argument(which, help="name of a version")


def _add_open_flags(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "version", nargs="?", help="name of a version; default: the page of the model"
    )
    one.add_argument(
        "--report",
        action="store_true",
        help="the report of the version; default: of the candidate, or else of the champion",
    )
    one.add_argument(
        "--print", action="store_true", help="print the address instead of opening a browser"
    )
    one.add_argument(
        "--console",
        metavar="URL",
        help="address of the console; default: $RECOMMENDER_CONSOLE_URL, or "
        "http://localhost:8080 for a forwarded port",
    )


def _add_action(one: argparse.ArgumentParser, name: str) -> None:
    one.add_argument("model", type=model_name, help="name of the model")
    if name == "rollback":
        one.add_argument("--to", metavar="VERSION", help="default: the previous champion")
    one.add_argument(
        "--dry-run", action="store_true", help="let the API server check it, but change nothing"
    )
    one.add_argument("--wait", action="store_true", help="wait until the operator has answered")
    one.add_argument(
        "--timeout",
        type=seconds,
        default=300.0,
        help="timeout of --wait, such as 90s; default: 5m",
    )


def model_name(given: str) -> str:
    """Return the name of a model; kubectl's `recommendermodel/movies` names one too."""
    return given.rsplit("/", 1)[-1]


def seconds(given: str) -> float:
    """Return a duration such as 90s, 30m or 1h30m in seconds; a bare number is seconds."""
    if re.fullmatch(r"\d+(\.\d+)?", given):
        return float(given)
    if not re.fullmatch(r"(\d+[smhd])+", given):
        raise argparse.ArgumentTypeError(f"{given!r} is no duration such as 90s, 30m or 1h30m")
    return float(sum(int(n) * _SECONDS[unit] for n, unit in re.findall(r"(\d+)([smhd])", given)))
