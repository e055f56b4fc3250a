"""The dashboards of the chart, as Grafana's sidecar finds them."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

from tests.chart import manifests

VALUES = {"metrics.dashboards.enabled": "true"}
Dashboard = dict[str, Any]


@cache
def config_maps() -> tuple[dict[str, Any], ...]:
    """Return the ConfigMaps; all callers get the same ones, so none may change them."""
    labels = [m for m in manifests(VALUES) if "-dashboard-" in m["metadata"]["name"]]
    return tuple(labels)


def dashboards() -> dict[str, Dashboard]:
    """Return the dashboards by the names of their files."""
    return {
        name: json.loads(text)
        for config_map in config_maps()
        for name, text in config_map["data"].items()
    }


def queries(dashboard: Dashboard) -> list[tuple[str, str]]:
    """Return title and expression of each query of the panels."""
    return [
        (panel["title"], target["expr"])
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    ]


def variables(dashboard: Dashboard) -> dict[str, str]:
    """Return the queries of the variables."""
    found = dashboard["templating"]["list"]
    return {each["name"]: each["definition"] for each in found if each["type"] == "query"}


def with_values(expression: str, interval: str) -> str:
    """Return an expression as Grafana sends it with all values of each variable chosen."""
    given = expression.replace("$__rate_interval", interval).replace("$__range", interval)
    return re.sub(r"\$[a-z]+", ".+", given)


def metrics(expression: str) -> set[str]:
    """Return the metrics of an expression."""
    names = r"\b(?:recommender_(?!model\b|version\b)|transformer_|process_|nv_)[a-z_]+"
    return set(re.findall(names, expression))
