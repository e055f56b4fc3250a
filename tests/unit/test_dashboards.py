"""The dashboards of the chart: complete, readable by Grafana, and of metrics that exist."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from tests import dashboards
from tests.chart import ROOT, manifests, template
from tests.exported import families, series
from tests.integration import metrics_pages

FILES = ROOT / "manifests" / "monitoring" / "dashboards"
NAMES = [f"recommender-{name}.json" for name in ("events", "operator", "rollouts", "serving")]
#: Of other exporters: the Python client and Triton.
OTHERS = {
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
    "nv_inference_request_success",
    "nv_inference_request_failure",
    "nv_inference_count",
    "nv_inference_exec_count",
    "nv_inference_queue_duration_us",
    "nv_inference_compute_infer_duration_us",
}
#: The operator reads these; for people, others have the same.
NOT_SHOWN = {
    "recommender_fallbacks",
    "recommender_reference_design_effect",
    "recommender_reference_missing_design_effect",
}


def panels(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = dashboards.dashboards()[name]["panels"]
    return found


def test_there_are_no_dashboards_unless_asked_for_and_then_with_the_label_of_the_sidecar() -> None:
    assert not [m for m in manifests({}) if "dashboard" in m["metadata"]["name"]]
    assert sorted(dashboards.dashboards()) == NAMES
    for config_map in dashboards.config_maps():
        assert config_map["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert len(json.dumps(config_map)) < 2**19  # an object has at most 1 MiB
    chosen = manifests({**dashboards.VALUES, "metrics.dashboards.annotations.grafana_folder": "A"})
    (first, *_) = (m for m in chosen if "-dashboard-" in m["metadata"]["name"])
    assert first["metadata"]["annotations"] == {"grafana_folder": "A"}
    assert "/metrics/dashboards" in template({"metrics.dashboards.folder": "A"}).stderr


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_has_what_grafana_needs(name: str) -> None:
    dashboard = dashboards.dashboards()[name]
    assert dashboard["uid"] == name.removesuffix(".json")
    assert dashboard["description"].endswith(".")
    assert len({panel["id"] for panel in panels(name)}) == len(panels(name))
    source = {"type": "prometheus", "uid": "${datasource}"}
    chosen = {each["name"] for each in dashboard["templating"]["list"]}
    for panel in panels(name):
        if panel["type"] == "row":
            continue
        assert panel["datasource"] == source
        assert panel["title"]
        targets = panel["targets"]
        assert [each["refId"] for each in targets] == list("ABCDEFGH"[: len(targets)])
        for target in targets:
            assert target["datasource"] == source
            assert target["legendFormat"] or panel["type"] == "stat"
            used = set(re.findall(r"\$([a-z]+)", target["expr"]))
            assert used <= chosen, panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_no_panel_covers_another(name: str) -> None:
    for one, other in itertools.combinations([panel["gridPos"] for panel in panels(name)], 2):
        assert one["x"] + one["w"] <= 24
        apart = (
            one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        )  # fmt: skip
        assert apart, (one, other)


def used() -> set[str]:
    return {
        metric
        for dashboard in dashboards.dashboards().values()
        for _, expression in dashboards.queries(dashboard)
        for metric in dashboards.metrics(expression)
    }


def test_dashboards_show_only_metrics_that_exist() -> None:
    assert used() - series() == OTHERS
    asked = {
        metric
        for dashboard in dashboards.dashboards().values()
        for query in dashboards.variables(dashboard).values()
        for metric in dashboards.metrics(query)
    }
    assert asked
    assert asked <= series()


def test_every_metric_is_on_a_dashboard() -> None:
    shown = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in used()} | used()
    assert set(families()) - shown == NOT_SHOWN


def test_the_page_that_prometheus_scrapes_in_tests_has_every_metric_of_the_operator() -> None:
    registry, work = metrics_pages.operator().page
    work()
    numbers = {sample.name for family in registry.collect() for sample in family.samples}
    assert {name for name in used() if name.startswith("recommender_operator_")} <= numbers


def test_the_dashboards_without_helm_are_those_of_the_chart(
    request: pytest.FixtureRequest,
) -> None:
    shown = {
        name: json.dumps(dashboard, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        for name, dashboard in dashboards.dashboards().items()
    }
    if request.config.getoption("--update-golden"):
        FILES.mkdir(parents=True, exist_ok=True)
        for name, text in shown.items():
            (FILES / name).write_text(text, encoding="utf-8")
    assert {path.name: path.read_text(encoding="utf-8") for path in FILES.iterdir()} == shown


def test_every_metric_is_documented_and_the_documents_name_no_other() -> None:
    pages = ("metrics.md", "contracts/metrics.md", "collector-metrics.md")
    text = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in pages)
    named = set(re.findall(r"`((?:recommender|transformer)_[a-z_]+)", text))
    assert named - series() <= set(families())
    assert set(families()) - named <= {name.removesuffix("_total") for name in named}
