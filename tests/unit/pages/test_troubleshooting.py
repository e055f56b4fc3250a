"""The page on troubleshooting has a section for each condition, and names reasons that exist."""

from __future__ import annotations

import re

from recommender_operator.api.conditions import ConditionType, Reason
from tests.pages.blocks import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
JOBS = (ROOT / "docs" / "contracts" / "jobs.md").read_text(encoding="utf-8")


def test_each_condition_has_one_section() -> None:
    headings = re.findall(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    named = [word for heading in headings for word in heading.split(", ") if " " not in word]
    assert sorted(named) == sorted(ConditionType)


def test_each_reason_of_the_tables_exists() -> None:
    cells = re.findall(r"^\| (.*?) \|", PAGE, flags=re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([A-Z]\w+)`", cell)}
    # Reasons of Jobs are those of the contract.
    of_jobs = set(re.findall(r"\b[A-Z]\w+\b", JOBS))
    assert len(named) > 30
    assert named <= {str(reason) for reason in Reason} | of_jobs
