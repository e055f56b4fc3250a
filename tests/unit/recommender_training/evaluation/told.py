"""The section `offPolicy` of the report, as its schema and the page have it."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import jsonschema

from recommender_training.html_report import exploration_section as exploration_page
from recommender_training.html_report.markup import join

SCHEMA_FILE = pathlib.Path(__file__).parents[4] / "docs" / "evaluation.schema.json"


def assert_told(section: dict[str, Any], *texts: str) -> None:
    """The section holds to the published schema, and the page has these texts."""
    schema = json.loads(SCHEMA_FILE.read_text())
    own = {**schema["properties"]["offPolicy"], "$defs": schema["$defs"]}
    jsonschema.Draft202012Validator(own).validate(section)
    assert set(own["properties"]) == set(section)
    page = join(*exploration_page.render_exploration(section)).source
    for text in texts:
        assert text in page
