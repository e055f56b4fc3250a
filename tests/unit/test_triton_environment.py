"""The Triton of tests and benchmarks runs as the chart's."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.cluster import triton

GOLDEN = Path(__file__).with_name("golden") / "chart" / "defaults.yaml"


def test_triton_has_the_same_environment_in_tests_as_in_the_charts_runtime() -> None:
    documents = [each for each in yaml.safe_load_all(GOLDEN.read_text()) if each]
    (runtime,) = (each for each in documents if each["kind"] == "ServingRuntime")
    (container,) = runtime["spec"]["containers"]
    assert {each["name"]: each["value"] for each in container["env"]} == triton.ENVIRONMENT
