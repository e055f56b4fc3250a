"""The demo: the lifecycle of a recommender on a real cluster, under load, in one command.

python -m tests.demo up          # set everything up, then run the stories
python -m tests.demo url         # print address and host name for your own requests
python -m tests.demo down        # remove the demo's namespace and the operator
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
from tests.demo.screen import Screen, error, table
from tests.scenario import install, stories
from tests.scenario.setup import NAME, make_platform
from tests.scenario.traffic import TrafficWatch

NAMESPACE = "recommender-demo"
BUILD = install.ROOT / "build" / "demo"


def up(arguments: argparse.Namespace) -> int:
    screen = Screen()
    started = time.monotonic()
    mode = arguments.traffic
    platform = make_platform(
        cache_folder() / install.DATA_FOLDER, screen.say, extras=Extras(knative=mode == "Knative")
    )
    world = platform.world(NAMESPACE, {"rollout": {"traffic": mode}})
    with install.timed(screen.say, "remove the objects of an earlier run"):
        world.remove()
    world.route = TrafficWatch(world.kube, NAME, mode)
    screen.follow(world)
    reported: list[stories.StoryResult] = []
    failure = ""
    try:
        for story in stories.IN_ORDER:
            screen.say(f"story: {(story.__doc__ or '').strip()}")
            reported.append(stories.run(story, world))
            screen.say(f"       {reported[-1].decision}: {reported[-1].message}")
            if world.load is None:
                # The load starts once the first version serves.
                world.start_load(arguments.rate)
    except (AssertionError, TimeoutError) as problem:
        failure = str(problem)
    screen.stop()
    figures = world.load.stop() if world.load else {}
    world.route.stop()
    report = _report(reported, figures, failure, time.monotonic() - started)
    print(table(reported))
    print(_sums(report))
    if failure:
        error(f"The demo stopped: {failure}")
    return 1 if failure or report["failed_requests"] else 0


def _report(
    reported: list[stories.StoryResult], figures: dict[str, Any], failure: str, seconds: float
) -> dict[str, Any]:
    report = {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "requests": figures.get("sent", 0),
        "failed_requests": figures.get("failed", 0),
        "failures": figures.get("failures", {}),
        "requests_by_version": figures.get("versions", {}),
        "requests_by_source": figures.get("sources", {}),
        "latency_ms": {"p50": figures.get("p50_ms"), "p99": figures.get("p99_ms")},
        "seconds": round(seconds, 1),
        "stories": [story.report() for story in reported],
        "failure": failure[:2000],
    }
    BUILD.mkdir(parents=True, exist_ok=True)
    (BUILD / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return report


def _sums(report: dict[str, Any]) -> str:
    lines = ["", f"{'version':<28}{'requests':>10}"]
    lines += [f"{name:<28}{count:>10}" for name, count in report["requests_by_version"].items()]
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
    if _knows_models(cluster):
        cluster.kubectl("-n", NAMESPACE, "delete", "recommendermodel", "--all", "--timeout=180s")
    cluster.kubectl("delete", "namespace", NAMESPACE, "--timeout=180s", "--ignore-not-found")
    cluster.helm(
        "uninstall", install.RELEASE, "--namespace", install.SYSTEM_NAMESPACE,
        "--ignore-not-found", "--wait",
    )  # fmt: skip
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
