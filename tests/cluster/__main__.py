"""Command line of the test cluster.

CLUSTER=local (default) runs Kubernetes on this machine, without Docker. CLUSTER=kind uses
kind where Docker is; CLUSTER=existing uses the current context of your kubeconfig.
"""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import apiserver, backends, prune
from tests.cluster.errors import ClusterError
from tests.cluster.groups import Extras

EXAMPLES = """examples:
  python -m tests.cluster up
  export KUBECONFIG=$(python -m tests.cluster kubeconfig)
  kubectl get inferenceservices -A
  curl -H 'Host: my.example' $(python -m tests.cluster url)/
  python -m tests.cluster load-image operator.tar docker.io/recommender/operator:dev
  python -m tests.cluster down
"""


def parser() -> argparse.ArgumentParser:
    """The commands with their help."""
    raw = argparse.RawDescriptionHelpFormatter
    top = argparse.ArgumentParser(
        prog="python -m tests.cluster", description=__doc__, epilog=EXAMPLES, formatter_class=raw
    )
    commands = top.add_subparsers(dest="command", required=True)

    def add(name: str, text: str, example: str) -> argparse.ArgumentParser:
        return commands.add_parser(
            name, help=text, description=text, epilog=f"example:\n  {example}", formatter_class=raw
        )

    call = "python -m tests.cluster"
    up = add("up", "Start the cluster, or its missing parts.", f"{call} up --no-knative")
    up.add_argument(
        "--knative",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="install Knative Serving, for KServe's Knative mode (default: yes)",
    )
    up.add_argument(
        "--trainer",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="install Kubeflow Trainer v2 and JobSet, for trainings with several workers "
        "(default: no)",
    )
    up.add_argument(
        "--metrics",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="install metrics-server, for autoscaling by CPU (default: no)",
    )
    up.add_argument(
        "--prometheus",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="run a Prometheus that scrapes the Gateway, for the requests that it loses "
        "(default: no)",
    )
    add("status", "Show what is running; exit code 1 unless everything is.", f"{call} status")
    down = add(
        "down", "Stop the cluster, delete its state and volumes, keep caches.", f"{call} down"
    )
    down.add_argument(
        "--only-apiserver",
        action="store_true",
        help="stop only the API server of the integration tests, which runs beside the cluster",
    )
    add("kubeconfig", "Print the path of the kubeconfig.", f"{call} kubeconfig")
    add("url", "Print the base URL of the Gateway's entry point.", f"curl $({call} url)/")
    load = add(
        "load-image",
        "Import an oci-archive into the node under a full name.",
        f"{call} load-image operator.tar docker.io/recommender/operator:dev",
    )
    load.add_argument("archive", type=Path, help="an OCI archive, for example from buildah push")
    load.add_argument("name", help="full image name: registry/repository:tag")
    tidy = add(
        "prune", "Delete binaries of old versions and build caches.", f"{call} prune --images"
    )
    tidy.add_argument(
        "--images",
        action="store_true",
        help="also prune the image store; the cluster must be down",
    )
    return top


def run(arguments: argparse.Namespace) -> int:
    """Run one command."""
    if arguments.command == "down" and arguments.only_apiserver:
        apiserver.down_alone()
        return 0
    backend = backends.selected()
    match arguments.command:
        case "up":
            wanted = (getattr(arguments, extra.name) for extra in dataclasses.fields(Extras))
            backend.up(Extras(*wanted))
        case "down":
            backend.down()
        case "status":
            text, ready = backend.status()
            print(text)
            return 0 if ready else 1
        case "kubeconfig":
            print(backend.kubeconfig())
        case "url":
            print(backend.url())
        case "load-image":
            backend.load_image(arguments.archive, arguments.name)
        case "prune":
            prune.prune(arguments.images)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; prints expected errors without a traceback."""
    try:
        return run(parser().parse_args(argv))
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
    except subprocess.TimeoutExpired as error:
        print(f"error: no response within {error.timeout:.0f}s: {error.cmd}", file=sys.stderr)
    except KeyboardInterrupt:
        print("interrupted; `up` continues, `down` removes the cluster", file=sys.stderr)
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
