"""The demo: the lifecycle of a recommender on a real cluster, under load, in one command.

python -m tests.demo up          # set everything up, then run the stories
python -m tests.demo up --only loop   # only the shop whose models learn from its users
python -m tests.demo url         # print address and host name for your own requests
python -m tests.demo down        # remove the demo's namespace, its shop and the operator
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.cluster import api as cluster_api
from tests.cluster.groups import Extras
from tests.cluster.settings import cache_folder
from tests.demo import parts
from tests.demo.parts import NAMESPACE
from tests.demo.screen import Screen, error, table
from tests.scenario import collecting, install, loop, loop_figures
from tests.scenario.setup import NAME, make_platform

BUILD = install.ROOT / "build" / "demo"


def up(arguments: argparse.Namespace) -> int:
    screen = Screen()
    started = time.monotonic()
    mode, wanted = arguments.traffic, [arguments.only] if arguments.only else parts.NAMES
    # The collector knows the name, so that no event of an earlier run counts.
    shop = loop.new_name() if parts.LOOP in wanted else ""
    platform = make_platform(
        cache_folder() / install.DATA_FOLDER,
        screen.say,
        extras=Extras(knative=mode == "Knative" and parts.LIFECYCLE in wanted),
        collector=loop.collected(shop) if shop else None,
    )
    lifecycle, closed = parts.Played(), parts.Played()
    if parts.LIFECYCLE in wanted:
        lifecycle = parts.play_lifecycle(platform, screen, arguments.rate, mode)
    if shop and not lifecycle.failure:
        closed = parts.play_loop(platform, screen, shop)
    report = _report(lifecycle, closed, time.monotonic() - started)
    print(table([*lifecycle.reported, *closed.reported]))
    print(_sums(report))
    if report["failure"]:
        error(f"The demo stopped: {lifecycle.failure or closed.failure}")
    return 1 if report["failure"] or report["failed_requests"] else 0


def _report(lifecycle: parts.Played, closed: parts.Played, seconds: float) -> dict[str, Any]:
    figures, users = lifecycle.load, closed.load
    found = closed.reported[-1].numbers if len(closed.reported) == len(loop.IN_ORDER) else {}
    report = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "requests": figures.get("sent", 0) + users.get("sent", 0),
        "failed_requests": figures.get("failed", 0) + users.get("failed", 0),
        "failures": {**figures.get("failures", {}), **users.get("failures", {})},
        "requests_by_version": figures.get("versions", {}),
        "requests_by_source": figures.get("sources", {}),
        "latency_ms": {"p50": figures.get("p50_ms"), "p99": figures.get("p99_ms")},
        "seconds": round(seconds, 1),
        "stories": [story.report() for story in (*lifecycle.reported, *closed.reported)],
        "loop": found,
        "failure": (lifecycle.failure or closed.failure)[:2000],
    }
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _sums(report: dict[str, Any]) -> str:
    lines = ["", f"{'version':<28}{'requests':>10}"] if report["requests_by_version"] else []
    lines += [f"{name:<28}{count:>10}" for name, count in report["requests_by_version"].items()]
    if report["loop"]:
        lines.append(loop_figures.table(report["loop"]))
    lines.append("")
    lines.append(
        f"{report['requests']} requests, {report['failed_requests']} failed, "
        f"{len(report['stories'])} stories in {report['seconds']} s; "
        f"the numbers are in {(BUILD / 'report.json').relative_to(install.ROOT)}"
    )
    return "\n".join(lines)


def url(_: argparse.Namespace) -> int:
    cluster = cluster_api.find_up()
    host = ""
    if cluster is not None and _knows_models(cluster):
        host = cluster.kubectl(
            "-n", NAMESPACE, "get", "recommendermodel", NAME, "--ignore-not-found",
            "-o", "jsonpath={.status.url}",
        )  # fmt: skip
    if cluster is None or not host:
        error("The demo is not running: start it with make demo")
        return 1
    print(f"{cluster.gateway_url} Host: {host}")
    return 0


def down(_: argparse.Namespace) -> int:
    cluster = cluster_api.find_up()
    if cluster is None:
        print("The cluster is not running, so there is no demo to remove.")
        return 0
    system = ("-n", install.SYSTEM_NAMESPACE)
    if _knows_models(cluster):
        cluster.kubectl("-n", NAMESPACE, "delete", "recommendermodel", "--all", "--timeout=180s")
        listed = cluster.kubectl(*system, "get", "recommendermodel", "-o", "name").split()
        if shops := [name for name in listed if f"/{loop.PREFIX}" in name]:
            cluster.kubectl(*system, "delete", *shops, "--timeout=180s")
        cluster.kubectl(*system, "delete", "httproute", collecting.ROUTE, "--ignore-not-found")
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s", "--ignore-not-found")
    cluster.helm("uninstall", install.RELEASE, *system, "--ignore-not-found", "--wait")
    # The events of its shops; the claims stay, because other models of the namespace may use
    # claims of these names. The store's claim is the release's, which Helm does not know.
    if cluster.kubectl(*system, "get", "pod", install.LOADER, "--ignore-not-found", "-o", "name"):
        folders = f"{collecting.FOLDER}/{loop.PREFIX}*"
        cluster.kubectl(
            *system, "exec", install.LOADER, "--", "sh", "-c", f"rm -rf /data/{folders}"
        )
        cluster.kubectl(*system, "delete", "pod", install.LOADER)
    claim = f"data-{collecting.STORE}-0"
    cluster.kubectl(*system, "delete", "pvc", claim, "--ignore-not-found", "--timeout=180s")
    print("The demo was removed; the cluster still runs (stop it with make cluster-down).")
    return 0


def _knows_models(cluster: cluster_api.Cluster) -> bool:
    crd = "recommendermodels.recommender.dev"
    return bool(cluster.kubectl("get", "crd", crd, "--ignore-not-found", "-o", "name"))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.demo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    start = verbs.add_parser("up", help="set everything up, then run the stories")
    start.add_argument("--rate", type=float, default=30.0, help="requests per second (30)")
    start.add_argument(
        "--traffic", choices=["Gateway", "Knative"], default="Gateway",
        help="who splits the traffic (Gateway)",
    )  # fmt: skip
    start.add_argument(
        "--only", choices=parts.NAMES,
        help="one part: the lifecycle of a model, or the loop from answers to the next model",
    )  # fmt: skip
    start.set_defaults(run=up)
    verbs.add_parser("url", help="print address and host name").set_defaults(run=url)
    verbs.add_parser("down", help="remove the demo").set_defaults(run=down)
    arguments = parser.parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except cluster_api.ClusterError as problem:
        error(f"error: {problem}")
    except KeyboardInterrupt:
        error("interrupted; `make demo` starts again, `make demo-down` removes the demo")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
