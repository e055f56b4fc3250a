"""What the pages on events show is accepted, and they name all there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import orjson
import yaml
from prometheus_client import CollectorRegistry

from recommender_collector.collector_metrics import CollectorMetrics, WriterMetrics
from recommender_collector.domain.batch_validation import validate_batch
from recommender_collector.domain.declaration import parse_declaration
from recommender_collector.domain.validation import Rules
from recommender_contract.resource.mapping import DataMapping, Format
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.unit.recommender_collector.collector_samples import NOW

DOCS = Path(__file__).resolve().parents[3] / "docs"
PAGE = (DOCS / "send-events.md").read_text(encoding="utf-8")
METRICS_PAGE = (DOCS / "collector-metrics.md").read_text(encoding="utf-8")
VALUES = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)[0])["collector"]


def test_the_mapping_shown_is_one_for_all_packages() -> None:
    mapping = VALUES["models"]["shop"]["mapping"]
    assert parse_declaration(orjson.dumps({"models": VALUES["models"]})).models["shop"].values
    assert parse_mapping(json.dumps(mapping), Format.JSON_LINES) is not None
    taken = DataMapping.model_validate(mapping).interactions
    assert [each.type for each in taken.event_types or ()] == ["click", "purchase"]
    assert [each.name for each in taken.features or ()] == ["device"]


def test_the_events_shown_are_accepted() -> None:
    model = parse_declaration(orjson.dumps({"models": VALUES["models"]})).models["shop"]
    (shown,) = re.findall(r"-d '(\[.*?\])'", PAGE, flags=re.DOTALL)
    batch = validate_batch(json.loads(shown), {"shop": Rules(model)}, NOW)
    assert batch.rejected == []
    assert len(batch.events["shop"].lines) == 3


def test_the_page_names_every_metric_and_no_other() -> None:
    registry = CollectorRegistry()
    CollectorMetrics(registry, ["shop"])
    WriterMetrics(registry, ["shop"])
    made = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
    }
    assert set(re.findall(r"`(recommender_[a-z_]+)`", METRICS_PAGE)) == made
