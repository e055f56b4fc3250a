"""The page on people's rights has the rules of the chart's aggregated roles."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "rbac.md").read_text(encoding="utf-8")
RENDERED = ROOT / "tests" / "unit" / "golden" / "chart" / "everything.yaml"


def roles() -> dict[str, list[dict[str, Any]]]:
    return {
        each["metadata"]["name"]: each["rules"]
        for each in yaml.safe_load_all(RENDERED.read_text(encoding="utf-8"))
        if each["kind"] == "ClusterRole"
        and each["metadata"]["name"].startswith("recommender-models")
    }


@pytest.mark.parametrize("name", roles())
def test_the_row_of_a_role_has_its_verbs_and_kinds(name: str) -> None:
    (row,) = (line for line in PAGE.splitlines() if f"`{name}`" in line and line.startswith("|"))
    given = {text for rule in roles()[name] for text in (*rule["verbs"], *rule["resources"])}
    named = set(re.findall(r"`([^`]+)`", row)) - {name, name.rpartition("-")[2]}
    assert named == given


def test_an_approver_may_patch_and_nothing_else() -> None:
    (block,) = re.findall(r"```yaml\n(apiVersion: rbac.*?)```", PAGE, flags=re.DOTALL)
    (rule,) = yaml.safe_load(block)["rules"]
    assert rule == {
        "apiGroups": ["recommender.dev"], "resources": ["recommendermodels"], "verbs": ["patch"],
    }  # fmt: skip
