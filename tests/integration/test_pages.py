"""What the pages show is accepted by a real API server and by Prometheus."""

from __future__ import annotations

import copy
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import prometheus
from tests.integration.crd_rig import Server, installed
from tests.pages import blocks, models

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with installed() as server:
        yield server


@pytest.mark.parametrize("block", models.shown(), ids=str)
def test_a_model_or_a_part_of_one_obeys_the_rules_of_the_api_server(
    server: Server, block: blocks.Block
) -> None:
    for document in models.documents(block.text):
        body = copy.deepcopy(models.whole(document))
        # The README has a model of the name that a sample has.
        body["metadata"]["name"] = "shown"
        assert server.create(body, dry_run="All", field_validation="Strict")


def test_prometheus_parses_the_queries(tmp_path: Path) -> None:
    found = blocks.of("promql")
    assert found
    rules = [{"record": f"shown:{at}", "expr": each.text} for at, each in enumerate(found)]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "pages", "rules": rules}]}))
    promtool = prometheus.binary().with_name("promtool")
    done = subprocess.run(
        [promtool, "check", "rules", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
