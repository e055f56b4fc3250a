"""The first steps of a user: install the chart, apply a model, wait for it, describe it."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import NewWorld
from tests.scenario import install
from tests.scenario.setup import Platform

pytestmark = pytest.mark.e2e


def test_given_the_chart_when_helm_tests_the_release_then_it_passes(platform: Platform) -> None:
    reported = platform.cluster.helm(
        "test", install.RELEASE, "--namespace", install.SYSTEM_NAMESPACE, "--timeout", "3m"
    )
    assert "Phase:          Succeeded" in reported


def test_given_a_spec_with_missing_data_when_applied_then_describe_shows_what_to_do(
    new_world: NewWorld,
) -> None:
    world = new_world({"data": {"source": {"persistentVolumeClaim": {"path": "nowhere"}}}})
    version = world.new_version_after(world.apply)
    assert world.until_decided(version) in {"Failed", "Rejected"}
    # The model's status follows that of its version.
    world.until("a message", lambda: "nowhere" in world.condition("Ready").get("message", ""), 180)
    assert "nowhere" in world.describe()
    world.apply({"data": {"source": {"persistentVolumeClaim": {"path": "raw"}}}})
    world.until("the version of the corrected spec", lambda: bool(world.champion), 300)
    world.cluster.kubectl(
        "-n", world.kube.namespace, "wait", "--for=condition=Ready", "--timeout=60s",
        f"recommendermodel/{world.name}",
    )  # fmt: skip
