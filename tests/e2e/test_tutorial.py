"""The tutorial, command by command, as a new user types it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import documented
from tests.cluster.api import tool
from tests.scenario import install
from tests.scenario.setup import Platform

pytestmark = pytest.mark.e2e

PAGE = install.ROOT / "docs" / "tutorial.md"
NAMESPACE = "recommender-tutorial"
SECONDS = 1200


@pytest.fixture
def shell(platform: Platform, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The reader's environment: tools on the PATH, and the values of the first step."""
    platform.namespaces.add(NAMESPACE)
    platform.cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait")
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "kubectl").symlink_to(tool("kubectl"))
    yield {
        **os.environ,
        "PATH": os.pathsep.join(
            [str(tools), str(Path(sys.executable).parent), os.environ["PATH"]]
        ),
        "KUBECONFIG": str(platform.cluster.kubeconfig),
        "TRAINING_IMAGE": platform.images["training"],
        "GATEWAY_URL": platform.cluster.gateway_url,
        "MODEL_HOST": f"movies.{NAMESPACE}.recommender.local",
    }
    platform.cluster.kubectl(
        "delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=false"
    )


def test_given_an_installed_chart_when_the_tutorial_is_followed_then_each_command_succeeds(
    shell: dict[str, str], tmp_path: Path
) -> None:
    # Job control, as in a terminal; the copy of the folder's files stays clean.
    text = f"set -euo pipefail -m\ncd {install.ROOT}\n{documented.script(PAGE)}"
    text = text.replace("simulated.txt", str(tmp_path / "simulated.txt"))
    done = subprocess.run(
        ["bash", "-x", "-c", text],
        env=shell, capture_output=True, text=True, timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (done.stdout[-3000:], done.stderr[-3000:])
    simulated = (tmp_path / "simulated.txt").read_text()
    assert " 0 requests failed" in simulated
    assert simulated.count("movies-") == 2, simulated
