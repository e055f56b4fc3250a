"""The page of conditions, stages and verdicts explains every word that the API writes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from recommender_operator.analysis.verdict_outcome import Verdict
from recommender_operator.api.conditions import ConditionType
from recommender_operator.api.status import Stage
from recommender_operator.api.version import VersionStage

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "conditions.md").read_text(encoding="utf-8")
#: Heading of a section, and the values that its table must explain.
SECTIONS = {
    "Conditions of a `RecommenderModel`": {str(kind) for kind in ConditionType},
    "Stages": {str(stage) for stage in (*Stage, *VersionStage)},
    "Verdicts": {str(verdict) for verdict in Verdict},
}


def explained(heading: str) -> list[str]:
    """Return the first cells of the section's table that hold a value."""
    section = PAGE.split(f"\n## {heading}\n", maxsplit=1)[1].split("\n## ", maxsplit=1)[0]
    return re.findall(r"^\| `(\w+)` \| \S", section, flags=re.MULTILINE)


@pytest.mark.parametrize("heading", sorted(SECTIONS))
def test_the_page_explains_every_value_of_the_api_once_and_no_other(heading: str) -> None:
    assert sorted(explained(heading)) == sorted(SECTIONS[heading])
