"""The shares of the panel of drift, evaluated by Prometheus' own tool."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests import dashboards
from tests.integration.prometheus_server import promtool

pytestmark = pytest.mark.integration

PANEL = "Share of sessions by bin of a feature"
OWN = 'namespace="shop", model="movies", version="movies-a"'
#: Sessions of a minute, and of the training window, by feature and bin. A session has up to two
#: tags; the scores of the training are those of a sample.
SERVED = {
    "session_length": {"0": 20},
    "tags": {"0": 16, "1": 16, "null": 4},
    "top_score": {"0": 15, "null": 5},
}
REFERENCE = {
    "session_length": {"0": 100},
    "tags": {"0": 60, "1": 90, "null": 0},
    "top_score": {"0": 40, "null": 10},
}
#: Differences of the shares in thousandths.
EXPECTED = {
    ("session_length", "0"): 0,
    ("tags", "0"): 200,
    ("tags", "1"): 100,
    ("tags", "null"): 200,
    ("top_score", "0"): 50,
    ("top_score", "null"): 50,
}


def series(metric: str, labels: str, values: str) -> dict[str, str]:
    return {"series": f"{metric}{{{labels}}}", "values": values}


def given() -> list[dict[str, str]]:
    """Return the series of a page with a value each minute, in the notation of promtool."""
    found = [series("recommender_sessions_total", OWN, "0+20x30")]
    for metric, counts, form in (
        ("recommender_feature_values_total", SERVED, "0+{}x30"),
        ("recommender_reference_sessions", REFERENCE, "{}x30"),
    ):
        found += [
            series(metric, f'{OWN}, feature="{feature}", bin="{bin_}"', form.format(count))
            for feature, bins in counts.items()
            for bin_, count in bins.items()
        ]
    return found


def test_shares_are_of_sessions_although_one_is_in_several_bins(tmp_path: Path) -> None:
    queries = dict(dashboards.queries(dashboards.dashboards()["recommender-serving.json"]))
    shares = dashboards.with_values(queries[PANEL], "20m")
    own = 'model="movies", version="movies-a"'
    wanted = [
        {"labels": f'{{{own}, feature="{feature}", bin="{bin_}"}}', "value": value}
        for (feature, bin_), value in EXPECTED.items()
    ]
    asked = {"expr": f"round(1000 * ({shares}))", "eval_time": "25m", "exp_samples": wanted}
    test = {"interval": "1m", "input_series": given(), "promql_expr_test": [asked]}
    path = tmp_path / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}), encoding="utf-8")
    promtool("test", "rules", str(path))
