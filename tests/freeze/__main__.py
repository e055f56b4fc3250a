"""Every write of whole lives, with real processes: frozen after it, and resumed later.

Each leader stops itself (SIGSTOP) right after the first write that changes something, at any
place of a look. Another process takes over and goes on until it is stopped after its own first
write. Then the earlier one is resumed: it must end because it has lost the Lease, and nothing
that the operator writes may have changed. So a life is made by as many leaders as it has writes.
`lives.py` has the lives: a promotion, a deletion, a rollback, an experiment, and Knative mode.

The API server is real, and plays with the simulated cluster of `make bench-operator`. A freeze
lasts as long as the next leader needs for its write, a multiple of the Lease, and not ten
minutes: the operator compares its clock only with the Lease's deadline, so longer freezes do not
differ. That of ten minutes is simulated (`tests/unit/recommender_operator/test_frozen.py`).

The last line is one JSON object; the exit code is 1 if a resumed operator changed anything, or
a life has not ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pathlib
import signal
import sys
import tempfile
import time
from typing import Any

from recommender_operator.adapters.kinds import CLAIMS
from recommender_operator.controller.client import OfficialKube
from recommender_operator.resources.labels import MANAGER
from tests.benchmarks.operator_fleet import MERGE
from tests.freeze.chain import Chain
from tests.freeze.collector import Collector
from tests.freeze.knative import KnativeSimulator
from tests.freeze.lives import LIVES, World
from tests.integration import operator_api_rig as rig


async def run(name: str, folder: pathlib.Path) -> dict[str, Any]:
    """Run a life, and return its figures."""
    started, namespace = time.monotonic(), rig.new_namespace()
    transport = rig.transport_to(rig.kubeconfig())
    kube = OfficialKube(transport, manager=MANAGER)
    for claim in ("raw", "store"):
        path = CLAIMS.path(namespace, claim, "status")
        await transport.request("PATCH", path, [], {"status": {"phase": "Bound"}}, MERGE)
    simulator = KnativeSimulator(transport, namespace)
    playing = asyncio.create_task(simulator.run())
    collector = Collector(kube, namespace)
    chain = Chain(kube, namespace, folder, experiments_url=collector.url)
    try:
        async with collector.running():
            await LIVES[name](World(kube, namespace, chain, simulator, collector))
    finally:
        chain.end()
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await kube.close()
    for fault in chain.faults:
        print(f"FAULT after {fault}")
    return {
        "writes": sum(chain.writes.values()),
        "by_kind": dict(chain.writes.most_common()),
        "faults": len(chain.faults),
        "seconds": round(time.monotonic() - started),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.freeze", description=__doc__.splitlines()[0])
    parser.add_argument("lives", nargs="*", metavar="LIFE", help=f"of {', '.join(LIVES)}; all")
    wanted = parser.parse_args().lives or list(LIVES)
    if unknown := sorted(set(wanted) - set(LIVES)):
        parser.error(f"no life {', '.join(unknown)}: choose from {', '.join(LIVES)}")
    # Whatever ends this script, no stopped process stays.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    figures = {}
    for name in wanted:
        with tempfile.TemporaryDirectory() as folder:
            figures[name] = asyncio.run(run(name, pathlib.Path(folder)))
    print(json.dumps({"freeze": figures}))
    return int(any(of["faults"] for of in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
