"""Every report holds to the published schema, and the schema knows every field of a report."""

from __future__ import annotations

import copy
import json
import pathlib
from typing import Any

import jsonschema
import pytest

from recommender_training.data_checks.finding import Finding
from recommender_training.html_report import page_file
from recommender_training.pipeline import training

SCHEMA_FILE = pathlib.Path(__file__).parents[4] / "docs" / "evaluation.schema.json"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
    jsonschema.Draft202012Validator.check_schema(found)
    return found


@pytest.fixture(scope="module")
def report(trained: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((trained.staged / "report.json").read_text())
    return found


def faults(schema: dict[str, Any], report: dict[str, Any]) -> list[str]:
    validator = jsonschema.Draft202012Validator(schema)
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(report)]


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with no room for a field that it does not describe."""
    strict = copy.deepcopy(schema)

    def close(node: Any) -> None:
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                close(child)
        if isinstance(node, dict) and "type" in node and "properties" in node:
            node.setdefault("additionalProperties", False)

    close(strict)
    # a model is lists and more: closed as a whole, not in its parts
    lists, model = strict["$defs"]["lists"], strict["$defs"]["model"]
    del lists["additionalProperties"]
    del model["allOf"][1]["additionalProperties"]
    model["unevaluatedProperties"] = False
    return strict


def test_a_report_holds_to_the_schema_and_has_no_field_that_it_does_not_describe(
    schema: dict[str, Any], report: dict[str, Any]
) -> None:
    assert schema["properties"]["schema"]["const"] == report["schema"] == page_file.SCHEMA
    assert faults(closed(schema), report) == []
    finding = Finding("lost", "users", "gender", "block", "no value", "values", "mend the join")
    told = {"windowDays": None, "comparedWith": None, "level": "block"}
    checked = report | {"dataChecks": told | {"findings": [finding.to_json()]}}
    assert faults(closed(schema), checked) == []
    report = copy.deepcopy(report)
    report["models"]["recommender"]["segments"][0]["new"] = 1
    report["models"]["recommender"]["later"] = 1
    assert len(faults(closed(schema), report)) == 2
    assert faults(schema, report) == [], "a later release may add fields"


def test_a_report_of_the_baseline_alone_holds_to_it(
    schema: dict[str, Any], regression: training.TrainResult
) -> None:
    written = json.loads((regression.staged / "report.json").read_text())
    assert faults(closed(schema), written) == []
    assert regression.report["algorithm"] == "LogisticRegression"


def test_a_report_with_a_search_holds_to_it(schema: dict[str, Any], searched: Any) -> None:
    report = json.loads((searched.staged / "report.json").read_text())
    assert faults(closed(schema), report) == []
    del report["search"]["trials"][0]["state"]
    report["search"]["spread"]["auc"]["new"] = 1
    assert len(faults(closed(schema), report)) == 2


@pytest.mark.parametrize(
    "path",
    ["metrics.aucMinusBaseline", "models.popularity.ndcgAt10", "windows.testStart",
     "models.recommender.segments.0.rows", "minus.baseline.auc.low"],
)  # fmt: skip
def test_a_report_without_one_of_its_fields_does_not(
    schema: dict[str, Any], report: dict[str, Any], path: str
) -> None:
    broken: Any = copy.deepcopy(report)
    *parents, last = path.split(".")
    node = broken
    for part in parents:
        node = node[int(part) if part.isdigit() else part]
    del node[last]
    assert len(faults(schema, broken)) == 1
