"""What the page on events shows is accepted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import orjson
import yaml
from prometheus_client import CollectorRegistry

from recommender_collector.domain.batches import check
from recommender_collector.domain.declaration import Model, parse
from recommender_collector.domain.validation import FIELDS, Rules
from recommender_collector.metrics import CollectorMetrics, WriterMetrics
from recommender_contract.events import Kind
from recommender_operator.api.spec_mapping import DataMapping
from recommender_training.ingestion.mapping import Format
from recommender_training.ingestion.mapping_argument import parse_mapping
from tests.unit.recommender_collector.collector_samples import NOW

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "events.md").read_text(encoding="utf-8")
VALUES = yaml.safe_load(re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)[0])["collector"]


def test_the_mapping_shown_is_one_for_all_packages() -> None:
    mapping = VALUES["models"]["shop"]["mapping"]
    assert parse(orjson.dumps({"models": VALUES["models"]})).models["shop"].values
    assert parse_mapping(json.dumps(mapping), Format.JSON_LINES) is not None
    taken = DataMapping.model_validate(mapping).interactions
    assert [each.type for each in taken.event_types or ()] == ["click", "purchase"]
    assert [each.name for each in taken.features or ()] == ["device"]


def test_the_events_shown_are_accepted() -> None:
    model = parse(orjson.dumps({"models": VALUES["models"]})).models["shop"]
    (shown,) = re.findall(r"-d '(\[.*?\])'", PAGE, flags=re.DOTALL)
    batch = check(json.loads(shown), {"shop": Rules(model)}, NOW)
    assert batch.rejected == []
    assert len(batch.events["shop"].lines) == 3


def test_the_page_names_every_kind_field_and_setting() -> None:
    for name in (*Kind, *FIELDS, *(field.alias or "" for field in Model.model_fields.values())):
        assert f"`{name}`" in PAGE, name


def test_the_page_names_every_metric_and_no_other() -> None:
    registry = CollectorRegistry()
    CollectorMetrics(registry, ["shop"])
    WriterMetrics(registry, ["shop"])
    made = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in registry.collect()
    }
    table = PAGE[PAGE.index("## Metrics") :].split("\n## ", 1)[0]
    assert set(re.findall(r"`(recommender_[a-z_]+)`", table)) == made
