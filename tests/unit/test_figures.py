"""Each figure says what was measured, when, on what, and by which command."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests import figures

FIGURES = figures.read()
FIELDS = {"what", "value", "date", "machine", "command"}
OPTIONAL = {"unit", "interval", "conditions", "headline"}
PROCESSOR = re.compile(r"Xeon|EPYC|Core|Neoverse|Graviton|[Pp]rocessor")


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: str(figure["what"]))
def test_a_figure_can_be_measured_again(figure: dict[str, Any]) -> None:
    assert figure.keys() >= FIELDS
    assert figure.keys() <= FIELDS | OPTIONAL
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", figure["date"])
    low, high = figure.get("interval", (0, 0))
    assert low <= high


def test_a_new_figure_names_the_processor() -> None:
    new = [figure for figure in FIGURES if figure["date"] > "2026-12-01"]
    assert [figure["what"] for figure in new if not PROCESSOR.search(figure["machine"])] == []
